"""Train the disparity between the two views of a pair."""

from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.systems.posegaussian.settings import Depth
from hgm.systems.posegaussian.setup import training_of
from hgm.systems.posegaussian.training import train_depth


def main(job: Job) -> None:
    manifests = [job.paths(name) for name in ("pairs", "views", "heatmaps")]
    train_depth(
        training_of(job.params, job.wildcards["fusion"], *manifests),
        Depth(**job.params["depth"]),
        job.path("weights").parent,
        job.state,
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
