"""Train the one-view HGM."""

from functools import partial
from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.scans.dataset import rendered
from hgm.systems.hgm.setup import network, perceptual_loss, training
from hgm.systems.hgm.training import train_hgm


def main(job: Job) -> None:
    params = job.params
    out = job.path("weights").parent
    device = select_device(params["device"], params["coarse"]["gpus"])
    views = job.paths("views")
    size = params["rendering"]["size"]
    lgm = params["coarse"]["lgm"]
    train_hgm(
        network(params["network"], size, views=1, body=not job.wildcards["networks"]),
        training(params, "coarse", rendered(views, "train"), rendered(views, "val"), device=device),
        out,
        out.parent / "state" / out.name / job.key,
        lgm=Path(lgm) if lgm else None,
        perceptual=partial(perceptual_loss, params["weights"]),
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
