"""Where a run finds its scans and body models: the user's folders, or those that the run makes for itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgm.body import BodyModel
from hgm.errors import InputError

STANDIN = "standin"


def scan_root(scans: Mapping[str, Any], results: Path) -> Path:
    """The folder with the scans of section `scans`. Raises InputError when a real data set is named without its folder."""
    if scans["source"] == STANDIN:
        return results / STANDIN
    if scans["root"] is None:
        raise InputError(f"scans.root: {scans['source']} needs it; set the folder that holds THuman2.0_Release")
    root = Path(scans["root"])
    if not root.is_dir():
        raise InputError(f"scans.root: {root} is not a folder; expected the one that holds THuman2.0_Release")
    return root


def models_folder(scans: Mapping[str, Any], results: Path) -> Path:
    """The folder that holds `smplx/SMPLX_*.npz`."""
    return Path(scans["models"]) if scans["models"] is not None else results / STANDIN / "models"


def body_model(scans: Mapping[str, Any], results: Path) -> BodyModel:
    """The body model of the fits."""
    return BodyModel.load(models_folder(scans, results), scans["gender"])
