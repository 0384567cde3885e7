"""Train the maps of Gaussians by the views between, and the disparity with them."""

from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.systems.posegaussian.settings import Maps
from hgm.systems.posegaussian.setup import training_of
from hgm.systems.posegaussian.training import train_maps


def main(job: Job) -> None:
    manifests = [job.paths(name) for name in ("pairs", "views", "heatmaps")]
    train_maps(
        training_of(job.params, job.wildcards["fusion"], *manifests),
        Maps(**job.params["maps"]),
        job.paths("depth")[0].parent,
        job.path("weights").parent,
        job.state,
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
