"""Estimate of the disk space of a finished run, before it starts, from the sizes in its
configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgm.systems.monogaussian.plan import Plan
from hgm.workflow.cards import Range
from hgm.workflow.jobs import PlannedJob, planned_jobs

FRAME = 0.9  # bytes of a pixel of a clip's picture, mask and labels
RESULT = 0.6  # bytes of a pixel of a measured frame
FILM = 0.05  # bytes of a pixel of a film's frame
POINT = 68  # bytes of a Gaussian in a file
STATE = 12 + 4  # bytes for each parameter, in the state to resume from and in the weights


def disk_bytes(plan: Plan) -> Range:
    """Bytes of `results/<run>` at the end, with the states to resume from and without logs."""
    return Range.within(sum(_of(plan, job) for job in planned_jobs(plan)), 1.5)


def _of(plan: Plan, job: PlannedJob) -> float:
    config = plan.config
    pixels = config["video"]["size"] ** 2
    points = config["avatar"]["bands"][-1]["points"]
    match job.rule:
        case "head_video":
            return job.work * FRAME * pixels
        case "head_avatar":
            numbers = point_parameters(config) + correction_parameters(config)
            return STATE * (numbers + 3 * points)
        case "head_evaluate":
            return job.work * RESULT * pixels
        case "reanimate":
            return 2 * POINT * points + job.work * FILM * config["animate"]["size"] ** 2
        case _:
            return 0.0


def point_parameters(config: Mapping[str, Any]) -> float:
    """Parameters of the networks that are asked for each point once, about."""
    deformer, geometry = (config["avatar"][f"{name}_width"] for name in ("deformer", "geometry"))
    return float(4 * deformer**2 + 268 * deformer + 11 * geometry**2)


def correction_parameters(config: Mapping[str, Any]) -> float:
    """Those of the network that is asked for each point in each frame."""
    return float(6.4 * config["avatar"]["correction_width"] ** 2)
