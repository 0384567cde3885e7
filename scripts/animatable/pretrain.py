"""Train the networks of an avatar to give what every Gaussian begins with."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.systems.animatable.avatar import AvatarDesign
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.settings import Network, Pretraining
from hgm.systems.animatable.training import first_avatar, pretrain


def main(job: Job) -> None:
    params = job.params
    device = select_device(params["device"])
    canonical = CanonicalMaps.load(job.path("canonical"))
    design = AvatarDesign.of(
        Network(**params["network"]), canonical.size, params["opacity"], job.wildcards["variant"]
    )
    pretrain(
        first_avatar(design, canonical, params["seed"]).to(device),
        FrameTransforms.load(job.path("frames")),
        Pretraining(**params["pretrain"]),
        job.path("weights").parent,
        job.state,
        seed=params["seed"],
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
