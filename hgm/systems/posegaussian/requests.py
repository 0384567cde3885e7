"""The host memory that a job requests, from the configuration and the number of pairs. Without
torch, since every start of Snakemake imports it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hgm.train.prefetch import STORE

Config = Mapping[str, Any]

ON_DEVICE = ("depth", "gaussian_maps", "novel_views")
MB = 1e6
MARGIN = 1.25
STEP = 500  # requests are multiples of STEP megabytes
# megabytes of a process with its libraries; CUDA: what its context and libraries add
PROCESS = 700
CUDA = 2500
# preset -> bytes that a training keeps for each pixel of a view
KEPT = {"small": 900, "paper": 2600}
MAPS_KEPT = 2.5  # by which the second training keeps more than the first
FORWARD = 0.3  # share of that which a forward pass alone holds
NOVEL = 1500  # bytes of a pixel of a novel view: splats, windows of SSIM and their gradients
PAIR = 30  # bytes of a pixel of a source view in a store: both views, heat maps, flow, a novel view


def memory_mb(config: Config, rule: str, pairs: int) -> int:
    """Megabytes of host memory that a job requests at its first attempt."""
    on_gpu = config["device"] != "cpu"
    needed = float(PROCESS) + (CUDA if rule in ON_DEVICE and on_gpu else 0)
    pixels = config["pairs"]["size"] ** 2
    kept = 2 * pixels * KEPT[config["network"]["preset"]] / MB
    novel = 4 * pixels * NOVEL / MB
    if rule in ("depth", "gaussian_maps"):
        section = config["depth" if rule == "depth" else "maps"]
        step = kept if rule == "depth" else MAPS_KEPT * kept + novel
        needed += min(pairs * pixels * PAIR, STORE) / MB + section["batch"] * step
    if rule == "novel_views":
        needed += FORWARD * MAPS_KEPT * kept + novel
    return STEP * math.ceil(MARGIN * needed / STEP)
