"""Disk space of a finished run before it starts, from the sizes that its configuration asks for."""

from __future__ import annotations

from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.requests import CONTROLNET, MB
from hgm.systems.hgm.variants import VARIANTS
from hgm.systems.hgm.work import Sizes
from hgm.workflow.cards import Range
from hgm.workflow.jobs import PlannedJob, planned_jobs

STATE = 12
WEIGHTS = 4  # bytes a parameter
# bytes of a rendered person besides its pictures, and of a pixel; measured at 64 and 128 px
SCAN = 0.25 * MB
VIEW = 0.64
STANDIN = 6 * MB
TEXTURE = 0.6  # of a stand-in, and of a pixel of its texture
GAUSSIAN = 68  # bytes of one in a file
MESH = 2 * MB * (0.01171875**2)  # times the area of a voxel's side
PICTURE = 0.6
FRAME = 0.05  # bytes of a pixel of a result's pictures, and of its film


def disk_bytes(plan: Plan) -> Range:
    """What `results/<run>` holds at the end, the states to resume from with it; the texts of logs
    are left out."""
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
