"""What both trainings are set up from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hgm.core.devices import select_device
from hgm.systems.posegaussian.dataset import PairStore, pair_members
from hgm.systems.posegaussian.network import Design
from hgm.systems.posegaussian.pair import LEFT, RIGHT
from hgm.systems.posegaussian.samples import HeatOf
from hgm.systems.posegaussian.settings import Network
from hgm.systems.posegaussian.training import Training


def training_of(
    params: Mapping[str, Any], fusion: str, pairs: Sequence[Path], views: Sequence[Path]
) -> Training:
    """Of a job's parameters, a variant and the manifests of rectified pairs and of their views,
    those of training and validation parts in the same order. Raises InputError where there is no
    training pair."""
    design = Design.of(
        Network(**params["network"]), fusion, encoding=params["encoding"], compat=params["compat"]
    )
    members = pair_members(pairs, views)
    watched = [member for member in members if member.files.root.name == "val"]
    store = PairStore([member for member in members if member not in watched])
    return Training(
        design,
        store,
        PairStore(watched) if watched else None,
        source_heat(store, params["encoding"]) if design.released and design.heat else None,
        seed=params["seed"],
        device=select_device(params["device"]),
        backend=params.get("splat", "auto"),
    )


def source_heat(store: PairStore, encoding: str) -> HeatOf:
    """What reads the heat maps of a store's pairs as they were before rectification."""

    def read(index: int) -> np.ndarray:
        files = store.members[index].files
        return np.stack([files.heat_map(view, encoding) for view in (LEFT, RIGHT)])

    return read
