"""Estimate of the disk space of a finished run, before it starts, from the sizes in its
configuration."""

from __future__ import annotations

from hgm.systems.posegaussian.plan import Plan
from hgm.systems.posegaussian.work import COVERED, PARAMETERS
from hgm.workflow.cards import Range
from hgm.workflow.jobs import PlannedJob, planned_jobs

STANDIN = 6e6  # bytes of a stand-in
TEXTURE = 0.6  # bytes of a pixel of its texture
VIEWS = 2.2  # bytes of a pixel of a source, for all files of a pair
HEAT = 0.5  # bytes of a pixel of a heat map
RECTIFIED = 1.6  # bytes of a pixel of a source, for the file of a pair
SHOWN = 2.5  # bytes of a pixel of a source, for the pictures of a result
FRAME = 0.05  # bytes of a pixel of a film's frame
GAUSSIAN = 68  # bytes of one Gaussian in a file
STATE = 12 + 4  # bytes for each parameter, in the state to resume from and in the weights


def disk_bytes(plan: Plan) -> Range:
    """Bytes of `results/<run>` at the end, with the states to resume from and without logs."""
    return Range.within(sum(_of(plan, job) for job in planned_jobs(plan)), 1.5)


def _of(plan: Plan, job: PlannedJob) -> float:
    config = plan.config
    pixels = config["pairs"]["size"] ** 2
    match job.rule:
        case "standin":
            return job.work * (STANDIN + TEXTURE * config["scans"]["texture"] ** 2)
        case "stereo_views":
            return job.work * VIEWS * pixels
        case "heatmaps":
            return job.work * HEAT * pixels
        case "rectify":
            return job.work * RECTIFIED * pixels
        case "depth" | "gaussian_maps":
            return STATE * PARAMETERS[config["network"]["preset"]]
        case "novel_views":
            film = config["between"]["frames"] * FRAME * 4 * pixels
            gaussians = 2 * GAUSSIAN * 2 * COVERED * pixels  # and the points
            return job.work * (SHOWN * pixels + film + gaussians)
        case _:
            return 0.0
