"""The host memory that a job requests, from the configuration and the number of frames. Without
torch, since every start of Snakemake imports it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hgm.systems.monogaussian.course import Course
from hgm.systems.monogaussian.settings import Avatar
from hgm.train.prefetch import STORE

Config = Mapping[str, Any]

ON_DEVICE = ("head_avatar", "head_evaluate", "reanimate")
MB = 1e6
MARGIN = 1.25
AT_ONCE = 8  # frames of a test clip that are refined together
MANY = 10**6  # frames: more than the largest step has
STEP = 500  # requests are multiples of STEP megabytes
# megabytes of a process with its libraries; CUDA: what its context and libraries add
PROCESS = 700
CUDA = 2500
FLOAT = 4  # bytes
KEPT = 3  # arrays that a layer keeps for the backward pass: input, output, activation
PLACED = 400  # bytes of a point in one frame: transforms, places, splats and their gradients
PIXEL = 2000  # bytes of a pixel in one frame: pictures, SSIM's windows, and their gradients


def memory_mb(config: Config, rule: str, frames: int) -> int:
    """Megabytes of host memory that a job requests at its first attempt."""
    needed = float(PROCESS) + (CUDA if rule in ON_DEVICE and config["device"] != "cpu" else 0)
    if rule in ON_DEVICE:
        points, batch = largest_step(config)
        batch = max(batch, AT_ONCE) if rule == "head_evaluate" else batch
        needed += (points * bytes_of_point(config, batch) + pixels(config, batch) * PIXEL) / MB
    if rule == "head_avatar":
        needed += min(frames * 4 * config["video"]["size"] ** 2, STORE) / MB
    return STEP * math.ceil(MARGIN * needed / STEP)


def largest_step(config: Config) -> tuple[int, int]:
    """Points and frames of the step that needs most memory."""
    course = Course(Avatar(**config["avatar"]), MANY)
    steps = {(epoch.points, epoch.batch) for epoch in course.epochs}
    return max(steps, key=lambda step: step[0] * bytes_of_point(config, step[1]))


def bytes_of_point(config: Config, batch: int) -> float:
    """Bytes that a point keeps for the backward pass of a step."""
    avatar = config["avatar"]
    once = 6 * avatar["deformer_width"] + 13 * avatar["geometry_width"]
    each = 7 * avatar["correction_width"]
    return FLOAT * KEPT * (once + batch * each) + batch * PLACED


def pixels(config: Config, batch: int) -> int:
    """Pixels of a step."""
    return int(batch * config["video"]["size"] ** 2)
