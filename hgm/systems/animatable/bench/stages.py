"""The stages that are timed, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hgm.bench.measure import Way, Work
from hgm.bench.run import Bench
from hgm.body.model import BodyModel
from hgm.body.motion import cycle
from hgm.cameras import Cameras, intrinsics, look_at
from hgm.splat import backend_for
from hgm.standin.body import core
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.bench.settings import Settings
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.frame_transforms import frame_transforms
from hgm.systems.animatable.maps import canonical_maps
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.samples import Sample
from hgm.systems.animatable.star import Surface, star_body
from hgm.systems.animatable.training import Learning, start_loss

DISTANCE = 2.5  # meters from the camera to the body
FOCAL = 1.1  # heights of a picture


@dataclass(frozen=True)
class Scene:
    """The stand-in body in one pose before a camera."""

    settings: Settings
    canonical: CanonicalMaps
    transforms: Tensor  # [55, 4, 4]
    pose: Tensor  # [55, 4, 4]

    @classmethod
    def of(cls, settings: Settings) -> Scene:
        model = BodyModel(core.model("male"), gender="male")
        star = star_body(model, torch.zeros(10))
        canonical = canonical_maps(Surface.of_body(model, star), star, settings.config.maps.size)
        moved = frame_transforms(model, cycle("random", 1), canonical.rest_transforms)
        return cls(settings, canonical, moved.transforms[0], moved.poses[0])

    def avatar(self) -> Avatar:
        """An untrained avatar."""
        torch.manual_seed(0)
        return Avatar(self.settings.design, self.canonical).to(self.settings.device)

    def sample(self, width: int, height: int) -> Sample:
        """Noise as a picture of these pixels, in which an ellipse is the person."""
        generator = torch.Generator().manual_seed(0)
        rgb = torch.randint(256, (3, height, width), generator=generator, dtype=torch.uint8)
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
        )
        inside = (x / 0.35).square() + (y / 0.9).square() < 1
        target = self.canonical.center.double()
        eye = target + torch.tensor([0.0, 0.0, DISTANCE], dtype=torch.float64)
        camera = Cameras(
            intrinsics(width, height, FOCAL * height / width, dtype=torch.float64),
            look_at(eye, target),
            width,
            height,
        ).to(torch.float32)
        alpha = 255 * inside[None].to(torch.uint8)
        return Sample(rgb, alpha, camera, self.transforms, self.pose).to(self.settings.device)


def pretraining_ways(settings: Settings, scene: Scene) -> list[Way]:
    """A step of the training to the start's attributes."""

    def make() -> Work:
        avatar = scene.avatar()
        optimizer = torch.optim.Adam(avatar.parameters(), 1e-4, fused=True)
        pose_map = position_map(avatar.canonical, scene.pose[None].to(settings.device))

        def run() -> Tensor:
            loss, _ = start_loss(avatar, pose_map)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return Work(run, samples=1)

    return [Way("a step", make)]


def training_ways(settings: Settings, scene: Scene) -> list[Way]:
    """A step of the training by pictures, with structural similarity in the place of LPIPS."""
    picture = settings.config.standin

    def make() -> Work:
        avatar = scene.avatar()
        optimizer = torch.optim.Adam(avatar.parameters(), 1e-4, fused=True)
        backend = backend_for(settings.config.splat, settings.device)
        learning = Learning(avatar, settings.config.avatar, backend, None)
        sample = scene.sample(picture.width, picture.height)

        def run() -> Tensor:
            loss, _ = learning.loss(0, torch.Generator().manual_seed(0), sample)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return Work(run, samples=1)

    return [Way(f"a picture of {picture.width} x {picture.height}", make)]


def film_ways(settings: Settings, scene: Scene) -> list[Way]:
    """A frame of a film: pose map, networks, skinning, splatting."""
    size = settings.config.animate.size

    def make(*, folded: bool) -> Work:
        avatar = scene.avatar().requires_grad_(False)
        backend = backend_for(settings.config.splat, settings.device)
        learning = Learning(
            avatar.fold() if folded else avatar, settings.config.avatar, backend, None
        )
        sample = scene.sample(size, size)
        white = torch.ones(3)

        def run() -> Tensor:
            with torch.no_grad():
                output = learning.output(sample, noisy=False)
                return learning.rendered(output, sample.camera, white).rgb

        return Work(run, samples=1)

    return [
        Way(f"{size} x {size}, folded networks", lambda: make(folded=True)),
        Way("as trained", lambda: make(folded=False)),
    ]


def network_ways(settings: Settings, scene: Scene) -> list[Way]:
    """The three networks and that of the view, forward."""

    def make(*, folded: bool) -> Work:
        avatar = scene.avatar().requires_grad_(False)
        if folded:
            avatar.fold()
        networks = avatar.networks
        assert networks is not None
        pose_map = position_map(avatar.canonical, scene.pose[None].to(settings.device))
        cosines = torch.zeros_like(pose_map[:, :2])

        def run() -> Tensor:
            with torch.no_grad():
                networks.positions(pose_map)
                networks.others(pose_map)
                return networks.colors(pose_map, cosines)

        return Work(run, samples=1)

    return [
        Way("folded", lambda: make(folded=True)),
        Way("as trained", lambda: make(folded=False)),
    ]


STAGES: dict[str, Callable[[Settings, Scene], list[Way]]] = {
    "pretraining": pretraining_ways,
    "training": training_ways,
    "film": film_ways,
    "networks": network_ways,
}


def bench(settings: Settings) -> Bench:
    """The benchmark of avatars, on the stand-in body."""
    return Bench(settings, STAGES, lambda: Scene.of(settings))
