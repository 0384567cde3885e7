"""Estimate of the disk space of a finished run, before it starts, from the sizes in its
configuration."""

from __future__ import annotations

from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.requests import CONTROLNET, MB
from hgm.systems.hgm.variants import VARIANTS
from hgm.systems.hgm.work import Sizes
from hgm.workflow.cards import Range
from hgm.workflow.jobs import PlannedJob, planned_jobs

STATE = 12  # bytes for each parameter, in the state to resume from
WEIGHTS = 4  # bytes for each parameter
# bytes of a rendered person besides the pictures, and of each pixel of a view; measured at 64 and
# 128 px
SCAN = 0.25 * MB
VIEW = 0.64
STANDIN = 6 * MB  # bytes of a stand-in
TEXTURE = 0.6  # bytes of a pixel of its texture
GAUSSIAN = 68  # bytes of one Gaussian in a file
MESH = 2 * MB * (0.01171875**2)  # bytes, times the square of the voxel size
PICTURE = 0.6  # bytes of a pixel of a result's pictures
FRAME = 0.05  # bytes of a pixel of its turntable


def disk_bytes(plan: Plan) -> Range:
    """Bytes of `results/<run>` at the end, with the states to resume from and without logs."""
    s = Sizes(plan)
    found = sum(_of(s, job) for job in planned_jobs(plan))
    return Range.within(found, 1.5)


def _of(s: Sizes, job: PlannedJob) -> float:
    config = s.config
    match job.rule:
        case "standin":
            return job.work * (STANDIN + TEXTURE * config["scans"]["texture"] ** 2)
        case "render":
            return job.work * (SCAN + VIEW * s.views(job) * s.size**2)
        case "coarse":  # with the unconverged weights
            return (2 * WEIGHTS + STATE) * s.parameters
        case "fusion":
            return (WEIGHTS + STATE) * s.parameters
        case "controlnet":
            return (WEIGHTS + STATE) * CONTROLNET * MB if s.stable else 0.0
        case "pairs":
            return job.work * 2 * PICTURE * s.size**2
        case "reconstruct":
            made = config["reconstruct"]
            views = 2 if VARIANTS[job.name.split("/")[1]].two_view else 1
            count = s.views(job)
            pictures = (
                2 * count * PICTURE * made["size"] ** 2
                + FRAME * made["turntable_frames"] * made["turntable_size"] ** 2
            )
            return job.work * (GAUSSIAN * (s.gaussians(1) + s.gaussians(views)) + pictures)
        case "mesh":
            return job.work * MESH / config["mesh"]["voxel"] ** 2
        case _:
            return 0.0
