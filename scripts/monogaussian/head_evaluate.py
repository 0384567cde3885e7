"""Measure an avatar on the test clip by one protocol."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.metrics.lpips import load_lpips
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.clip_pictures import ClipPictures
from hgm.systems.monogaussian.evaluation import evaluate_avatar
from hgm.systems.monogaussian.held_out import read_held_out
from hgm.systems.monogaussian.settings import Avatar, Evaluate
from hgm.systems.monogaussian.setup import clips_of, head_of, lone_footage


def main(job: Job) -> None:
    params = job.params
    weights = params["weights"]
    device = select_device(params["device"])
    [clip] = clips_of(job.paths("clip"))
    [model] = job.paths("model")
    avatar = HeadAvatar.load(job.path("weights").parent, device)
    evaluate_avatar(
        avatar,
        clip,
        ClipPictures([clip], params["size"]),
        job.path("metrics").parent,
        subject=params["subject"],
        variant=job.wildcards["variant"],
        protocol=job.wildcards["protocol"],
        settings=Evaluate(**params["evaluate"]),
        training=Avatar(**params["avatar"]),
        held_out=read_held_out(clip.folder),
        lone=lone_footage(clip, params["size"]),
        head=head_of(avatar, model, clip),
        standin=params["standin"],
        lpips=load_lpips(weights["vgg16"], weights["lpips"]),
        backend=params["splat"],
    )


if __name__ == "__main__":
    run(main)
