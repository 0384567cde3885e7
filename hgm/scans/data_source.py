"""The folders of scans and body models that a run uses: the user's, or those of the stand-ins that
the run makes for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.body.model import BodyModel
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError

STANDIN = "standin"
CONTENTS = {
    "thuman2": "THuman2.0_Release",
    "thuman21": "THuman2.1_Release or model",
    "customhumans": "mesh and smplx",
    # what is in scans.root
    "humman": "p000455_a000986 …",
    "views": "img, mask, parm and depth",
}


@dataclass(frozen=True)
class DataSource:
    """A data set of section `scans` of the configuration (`hgm.scans.catalogue.data_of`), and the
    body model of its fits."""

    source: str
    root: Path
    models: Path  # holds smplx/SMPLX_*.npz
    gender: str

    @classmethod
    def of(cls, scans: Mapping[str, Any], run: RunFolder) -> DataSource:
        """Raises InputError when a real data set is named without its folder."""
        return cls(
            scans["source"],
            scan_root(scans, run),
            models_folder(scans, run),
            scans["gender"],
        )

    @property
    def model_file(self) -> Path:
        return _model_file(self.models, self.gender)

    @cached_property
    def model(self) -> BodyModel:
        return BodyModel.load(self.models, self.gender)


def scan_root(scans: Mapping[str, Any], run: RunFolder) -> Path:
    """The folder with the scans of section `scans`. Raises InputError when a real data set is named
    without its folder."""
    source = scans["source"]
    key = scans.get("key", "scans.root")
    if source == STANDIN:
        return run.standin
    if scans["root"] is None:
        raise InputError(f"{key}: {source} needs it; set the folder that holds {CONTENTS[source]}")
    root = Path(scans["root"])
    if not root.is_dir():
        raise InputError(
            f"{key}: {root} is not a folder; expected the one that holds {CONTENTS[source]}"
        )
    return root


def models_folder(scans: Mapping[str, Any], run: RunFolder) -> Path:
    """The folder that holds `smplx/SMPLX_*.npz`."""
    return Path(scans["models"]) if scans["models"] is not None else run.standin_models


def body_model(scans: Mapping[str, Any], run: RunFolder, device: str = "cpu") -> BodyModel:
    """The body model of the fits, on a device."""
    return BodyModel.load(models_folder(scans, run), scans["gender"]).to(device)


def body_model_file(scans: Mapping[str, Any], run: RunFolder) -> Path:
    """The file that `body_model` reads."""
    return _model_file(models_folder(scans, run), scans["gender"])


def _model_file(models: Path, gender: str) -> Path:
    return models / "smplx" / f"SMPLX_{gender.upper()}.npz"
