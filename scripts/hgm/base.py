"""Provide the latent diffusion base: link the configured folder, or train a small one on the
rendered views."""

from pathlib import Path

import torch

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.keys import folder_digest
from hgm.core.manifests import write_json
from hgm.core.processes import Deadline
from hgm.images.views import load_views
from hgm.scans.dataset import rendered
from hgm.systems.hgm.back_view.base import link_base
from hgm.systems.hgm.back_view.settings import DiffusionBase
from hgm.systems.hgm.back_view.small_base import train_base
from hgm.systems.hgm.setup import perceptual_loss


def main(job: Job) -> None:
    settings = DiffusionBase(**job.params["base"])
    manifest = job.path("manifest")
    out = manifest.parent
    folder = settings.folder
    device = select_device(job.params["device"])
    if folder is not None:
        link_base(Path(folder), out)
    else:
        views = torch.cat(
            [
                (load_views(f).rgb * 255).round().byte()
                for f in rendered(job.paths("views"), "train")
            ]
        )
        train_base(
            views,
            out,
            settings=settings,
            size=job.params["rendering"]["size"],
            state=job.state,
            seed=job.params["seed"],
            init=next((start.parent for start in job.paths("start")), None),
            deadline=Deadline(job.seconds()),
            device=device,
            perceptual=perceptual_loss(job.params["weights"], device),
        )
    key = folder_digest(out, skip=[manifest.name])
    write_json(manifest, {"stage": job.rule, "source": folder or "trained here", "key": key})


if __name__ == "__main__":
    run(main)
