"""Train an avatar by the pictures of a capture."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.metrics.lpips import load_lpips
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.captures.footage import footage_of
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.samples import TrainingSet
from hgm.systems.animatable.settings import Avatar as AvatarSettings
from hgm.systems.animatable.settings import Capture
from hgm.systems.animatable.sources import capture_of
from hgm.systems.animatable.training import train


def main(job: Job) -> None:
    params = job.params
    section, weights = Capture(**params["capture"]), params["weights"]
    device = select_device(params["device"])
    capture = capture_of(section, job.run, job.path("check"))
    footage = footage_of(section, list(capture.cameras), "train", held_out=False)
    train(
        Avatar.load(job.path("pretrained").parent, device).requires_grad_(True),
        TrainingSet.of(capture, footage.shots(), FrameTransforms.load(job.path("frames"))),
        AvatarSettings(**params["avatar"]),
        job.path("weights").parent,
        job.state,
        seed=params["seed"],
        backend=params["splat"],
        lpips=load_lpips(weights["vgg16"], weights["lpips"]),
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
