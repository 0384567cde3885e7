"""Train the avatar of a head."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.footage import Footage
from hgm.systems.monogaussian.losses import VGGLoss
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.setup import clips_of, subject_head
from hgm.systems.monogaussian.training import train_avatar
from hgm.systems.monogaussian.variants import variant_of


def main(job: Job) -> None:
    params = job.params
    device = select_device(params["device"])
    [model] = job.paths("model")
    pictures = ClipPictures(clips_of(job.paths("clips")), params["size"])
    train_avatar(
        Footage.of(pictures.clip, pictures, params["size"]),
        subject_head(model, pictures.clip),
        Avatar(**params["avatar"]),
        variant_of(job.wildcards["variant"], params["compat"]),
        job.path("weights").parent,
        job.state,
        seed=params["seed"],
        device=device,
        backend=params["splat"],
        vgg=VGGLoss.load(params["vgg16"]),
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
