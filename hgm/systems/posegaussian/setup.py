"""What both trainings are set up from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hgm.core.devices import select_device
from hgm.core.items import outcome_in
from hgm.errors import InputError
from hgm.systems.posegaussian.dataset import PairStore, pair_members
from hgm.systems.posegaussian.network import Design
from hgm.systems.posegaussian.samples import HeatOf
from hgm.systems.posegaussian.settings import Network
from hgm.systems.posegaussian.training import Training


def training_of(
    params: Mapping[str, Any],
    fusion: str,
    pairs: Sequence[Path],
    views: Sequence[Path],
    heatmaps: Sequence[Path] = (),
) -> Training:
    """Of a job's parameters, a variant and the manifests of rectified pairs, of their views and,
    for a variant that sees them, of their heat maps, those of training and validation parts in the
    same order. Raises InputError where there is no training pair."""
    design = Design.of(
        Network(**params["network"]), fusion, encoding=params["encoding"], compat=params["compat"]
    )
    members = pair_members(pairs, views, heatmaps)
    watched = [member for member in members if member.files.root.name == "val"]
    learned = [member for member in members if member not in watched]
    if not learned:
        raise InputError(
            f"no stereo pair to train by is left; {_first_reason([*views, *pairs, *heatmaps])}"
        )
    heat = bool(design.heat)
    store = PairStore(learned, heat=heat)
    return Training(
        design,
        store,
        PairStore(watched, heat=heat) if watched else None,
        source_heat(store, params["encoding"]) if design.released and design.heat else None,
        seed=params["seed"],
        device=select_device(params["device"]),
        backend=params.get("splat", "auto"),
    )


def source_heat(store: PairStore, encoding: str) -> HeatOf:
    """What reads the heat maps of a store's pairs as they were before rectification, that of the
    left photo first."""

    def read(index: int) -> np.ndarray:
        files = store.members[index].files
        order = store.pair(index).order_of(files.poses())
        return np.stack([files.heat_map(view, encoding) for view in order])

    return read


def _first_reason(manifests: Sequence[Path]) -> str:
    """Why the first pair or scan was set aside that manifests name."""
    for manifest in manifests:
        for name, reason in outcome_in(manifest).failed.items():
            return f"the first of those set aside, {name}: {reason}"
    return "no scan was asked for"
