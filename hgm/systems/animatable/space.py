"""Estimate of the disk space of a finished run, before it starts, from the sizes in its
configuration."""

from __future__ import annotations

from hgm.systems.animatable.plan import Plan
from hgm.systems.animatable.requests import FLOAT, TRAINED
from hgm.systems.animatable.sizes import Sizes
from hgm.systems.animatable.work import pixels_of
from hgm.workflow.cards import Range
from hgm.workflow.jobs import PlannedJob, planned_jobs

PICTURE = 0.35  # bytes of a pixel of a picture and its mask, as JPEG
RESULT = 4.0  # bytes of a pixel of a measured picture and its truth, as PNG
FRAME = 0.3  # bytes of a pixel of a film's frame: in the film, as JPEG, its mask
POINT = 68  # bytes of a Gaussian in a file
JOINTS = 55
MAP_POINT = FLOAT * (JOINTS + 6)  # bytes of a point of the maps
TRANSFORMS = 2 * 16 * FLOAT * JOINTS  # bytes of a frame's transforms
COMPONENTS = 64  # of the pose space, at most


def disk_bytes(plan: Plan) -> Range:
    """Bytes of `results/<run>` at the end, with the states to resume from and without logs."""
    return Range.within(sum(_of(plan, job) for job in planned_jobs(plan)), 1.5)


def _of(plan: Plan, job: PlannedJob) -> float:
    config, sizes = plan.config, Sizes.of(plan.config)
    made = config["standin"]
    frames = len(plan.frames("train")) + len(plan.frames("test"))
    match job.rule:
        case "capture":
            views = made["cameras"] + made["held_out"]
            return len(job.members) * views * PICTURE * pixels_of(plan)
        case "position_maps":
            return sizes.points * MAP_POINT + frames * TRANSFORMS
        case "pretrain":
            return (TRAINED * FLOAT) * sizes.parameters()
        case "avatar":
            components = min(COMPONENTS, len(plan.frames("train")))
            space = components * 3 * sizes.size**2 * FLOAT
            return (TRAINED * FLOAT) * sizes.parameters() + sizes.points * MAP_POINT + space
        case "animate":
            film = config["animate"]
            return job.work * FRAME * film["size"] ** 2 + film["plys"] * POINT * sizes.points
        case "avatar_evaluate":
            return job.work * RESULT * pixels_of(plan)
    return 0.0
