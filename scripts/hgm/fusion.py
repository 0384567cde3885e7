"""Train the two-view HGM."""

from functools import partial

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.scans.dataset import rendered
from hgm.systems.hgm.sections.training import Fusion
from hgm.systems.hgm.setup import network, perceptual_loss, training
from hgm.systems.hgm.training import train_hgm


def main(job: Job) -> None:
    params = job.params
    out = job.path("weights").parent
    section = Fusion(**params["fusion"])
    device = select_device(params["device"], section.gpus)
    views = job.paths("views")
    made = training(
        section,
        params,
        rendered(views, "train"),
        rendered(views, "val"),
        device=device,
        pairs=job.path("pairs").parent if section.back_share > 0 else None,
    )
    train_hgm(
        network(made.network, made.size, views=2, body=not job.wildcards["branch"]),
        made,
        out,
        job.state,
        init=next(iter(job.paths("start")), None),
        perceptual=partial(perceptual_loss, params["weights"]),
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
