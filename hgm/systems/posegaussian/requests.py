"""The host memory and the time that a job requests, from the configuration and the number of pairs.
Without torch, since every start of Snakemake imports it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hgm.systems.posegaussian.widths import CHANNELS
from hgm.train.prefetch import STORE

Config = Mapping[str, Any]

ON_DEVICE = ("depth", "gaussian_maps", "novel_views", "stereo_evaluate")
MB = 1e6
MARGIN = 1.25
STEP = 500  # requests are multiples of STEP megabytes
QUARTER = 15  # and of a quarter of an hour
LEAST = 60  # minutes, for machines that are slower than any forecast
# megabytes of a process with its libraries; CUDA: what its context and libraries add
PROCESS = 700
CUDA = 2500
# preset -> bytes that a training keeps for each pixel of a view
KEPT = {"small": 900, "paper": 2600}
MAPS_KEPT = 2.5  # by which the second training keeps more than the first
FORWARD = 0.3  # share of that which a forward pass alone holds
NOVEL = 1500  # bytes of a pixel of a novel view: splats, windows of SSIM and their gradients
# bytes of a pixel in a store of decoded pairs: colors, masks, flow and where it is known of both
# photos; three views between of four pixels each; and of each channel of both heat maps
PAIR = 6 + 2 + 4 + 2 + 3 * 4 * 4
HEAT = 2
# measured, from jobs at 192 and at 1024 pixels
RENDERER = 1800  # megabytes of a job with Blender, a scan and its texture
RENDERED = 130  # bytes of a pixel of a novel view
MOVED = 400  # bytes of a pixel of a photo that is rectified, with 17 planes of heat
PHOTO = 500  # megabytes of real photos, which may be larger than the pair
MEASURED = 500  # bytes of a pixel of a novel view that is measured in four ways
LPIPS = 1700  # bytes of a pixel that the trunk of LPIPS sees, which may be on the host


def memory_mb(config: Config, rule: str, pairs: int) -> int:
    """Megabytes of host memory that a job requests at its first attempt; `pairs` are those of
    training and validation."""
    needed = float(PROCESS) + (CUDA if rule in ON_DEVICE and config["device"] != "cpu" else 0)
    pixels = config["pairs"]["size"] ** 2 / MB
    kept = 2 * pixels * KEPT[config["network"]["preset"]]
    match rule:
        case "stereo_views":
            needed += RENDERER + 4 * pixels * RENDERED
        case "rectify" | "heatmaps" | "rig":
            needed += pixels * MOVED + PHOTO * (config["capture"]["root"] is not None)
        case "depth":
            needed += _store(config, pairs) + config["depth"]["batch"] * kept
        case "gaussian_maps":
            step = MAPS_KEPT * kept + 4 * pixels * NOVEL
            needed += _store(config, pairs) + config["maps"]["batch"] * step
        case "novel_views":
            needed += FORWARD * MAPS_KEPT * kept + 4 * pixels * NOVEL
        case "stereo_evaluate":
            lpips = LPIPS if config["weights"]["lpips"] is not None else 0
            needed += 4 * pixels * (MEASURED + lpips)
    return STEP * math.ceil(MARGIN * needed / STEP)


def _store(config: Config, pairs: int) -> float:
    """Megabytes of decoded pairs, of which not all are kept."""
    size = PAIR + HEAT * CHANNELS[config["heatmaps"]["encoding"]]
    return float(min(pairs * size * config["pairs"]["size"] ** 2, STORE)) / MB


def minutes(seconds: float) -> int:
    """Minutes that a job requests at its first attempt, of the seconds that it may take."""
    return QUARTER * math.ceil(max(seconds / 60, LEAST) / QUARTER)
