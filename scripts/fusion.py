"""Train the two-view HGM."""

from functools import partial

from hgm.job import Job, run
from hgm.runtime import Deadline, select_device
from hgm.stages.dataset import rendered
from hgm.stages.setup import network, perceptual_loss, training
from hgm.stages.training import train_hgm


def main(job: Job) -> None:
    params, out = job.params, job.path("weights").parent
    device = select_device(params["device"], params["fusion"]["gpus"])
    views = job.paths("views")
    train_hgm(
        network(params["network"], params["rendering"]["size"], views=2, body=not job.wildcards["networks"]),
        training(params, "fusion", rendered(views, "train"), rendered(views, "val"), device=device,
                 pairs=job.path("pairs").parent),
        out, out.parent / "state" / out.name / job.key, init=job.path("coarse") if params["fusion"]["warm_start"] else None,
        perceptual=partial(perceptual_loss, params["weights"]), deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
