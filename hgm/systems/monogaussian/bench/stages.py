"""The stages that are timed, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hgm.bench.measure import Way, Work
from hgm.bench.run import Bench
from hgm.body.flame import HeadModel
from hgm.cameras import Cameras, intrinsics, look_at
from hgm.splat import backend_for
from hgm.standin.head import head_arrays
from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.bench.settings import Settings
from hgm.systems.monogaussian.clip import EXPRESSION, POSE, SHAPE
from hgm.systems.monogaussian.course import Course
from hgm.systems.monogaussian.deformer import anchor, deform
from hgm.systems.monogaussian.footage import rendered
from hgm.systems.monogaussian.losses import head_loss, picture_loss
from hgm.systems.monogaussian.subject import SubjectHead
from hgm.systems.monogaussian.variants import VARIANTS

DISTANCE = 3.4  # head units from the camera to the head
FOCAL = 2.0  # picture edges
FRAMES = 10**6  # of a training; more than any step has


@dataclass(frozen=True)
class Scene:
    """The stand-in head in random frames before a camera."""

    settings: Settings
    head: SubjectHead

    @classmethod
    def of(cls, settings: Settings) -> Scene:
        model = HeadModel.of(head_arrays())
        head = SubjectHead.of(model, torch.zeros(SHAPE), torch.zeros(EXPRESSION))
        return cls(settings, head.to(settings.device))

    @property
    def device(self) -> str:
        return self.settings.device

    def avatar(self, points: int) -> HeadAvatar:
        """An untrained avatar with so many points on the head."""
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        chosen = torch.randint(len(self.head.vertices), (points,), generator=generator)
        spread = 0.02 * torch.randn(points, 3, generator=generator)
        places = self.head.vertices.cpu()[chosen] + spread
        config = self.settings.config
        design = Design.of(config.avatar, VARIANTS["full"], config.video.size)
        avatar = HeadAvatar(design, places, self.head.skeleton).to(self.device)
        avatar.find_nearest(self.head)
        avatar.radius.fill_(self.radius(points))
        return avatar

    def radius(self, points: int) -> float:
        """That of the first epoch with so many points."""
        epochs = Course(self.settings.config.avatar, FRAMES).epochs
        return next((e.radius for e in epochs if e.points >= points), epochs[-1].radius)

    def motion(self, frames: int) -> tuple[Tensor, Tensor]:
        """Expressions [F, 50] and poses [F, 15]."""
        generator = torch.Generator().manual_seed(1)
        expression = torch.randn(frames, EXPRESSION, generator=generator)
        pose = 0.1 * torch.randn(frames, POSE, generator=generator)
        return expression.to(self.device), pose.to(self.device)

    def cameras(self, frames: int, size: int) -> Cameras:
        """The camera in front, once for each frame."""
        target = self.head.vertices.mean(0).cpu().double()
        w2c = look_at(target + torch.tensor([0.0, 0.0, DISTANCE]).double(), target)
        cameras = Cameras(intrinsics(size, focal=FOCAL, dtype=torch.float64), w2c, size, size)
        return Cameras(
            cameras.K.float().expand(frames, 3, 3),
            cameras.world_to_camera.float().expand(frames, 4, 4),
            size,
            size,
        ).to(self.device)


def steps(settings: Settings) -> list[tuple[int, int]]:
    """Points and frames of the steps of a training, each once."""
    epochs = Course(settings.config.avatar, FRAMES).epochs
    return list(dict.fromkeys((e.points, settings.samples or e.batch) for e in epochs))


def training_ways(settings: Settings, scene: Scene) -> list[Way]:
    """A step at every number of points that the training has."""
    return [
        Way(f"{points:,} points, {batch} frames", _step(settings, scene, points, batch))
        for points, batch in steps(settings)
    ]


def _step(settings: Settings, scene: Scene, points: int, batch: int) -> Callable[[], Work]:
    size = settings.config.video.size

    def make() -> Work:
        backend = backend_for(settings.config.splat, settings.device)
        avatar = scene.avatar(points)
        optimizer = torch.optim.Adam(avatar.parameters(), 1e-4, fused=True)
        expression, pose = scene.motion(batch)
        cameras = scene.cameras(batch, size)
        target = torch.rand(batch, 3, size, size, device=settings.device)
        wanted = scene.head.directions.at(avatar.nearest)
        variance = torch.ones(EXPRESSION, device=settings.device)

        def run() -> Tensor:
            ready = avatar.ready()
            picture = rendered(avatar(expression, pose, ready=ready), cameras, None, backend)
            loss, _ = picture_loss(picture, target, settings.config.avatar, None)
            loss = loss + head_loss(ready.anchored.directions, wanted, variance)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return Work(run, samples=batch)

    return make


def film_ways(settings: Settings, scene: Scene) -> list[Way]:
    """A frame of a film, with what no frame changes computed before, or with it."""
    points = steps(settings)[-1][0]

    def make(*, prepared: bool) -> Work:
        backend = backend_for(settings.config.splat, settings.device)
        avatar = scene.avatar(points)
        expression, pose = scene.motion(1)
        cameras = scene.cameras(1, settings.config.video.size)
        with torch.no_grad():
            ready = avatar.ready() if prepared else None

        def run() -> Tensor:
            with torch.no_grad():
                return rendered(avatar(expression, pose, ready=ready), cameras, None, backend)

        return Work(run, samples=1)

    return [
        Way(f"{points:,} points, prepared", lambda: make(prepared=True)),
        Way("all in every frame", lambda: make(prepared=False)),
    ]


def deformation_ways(settings: Settings, scene: Scene) -> list[Way]:
    """The deformation of all points, and as the release calls it: with its Jacobian, which it
    drops."""
    points = min(steps(settings)[-1][0], 3200)

    def make(*, jacobian: bool) -> Work:
        avatar = scene.avatar(points)
        expression, pose = scene.motion(1)
        skeleton = scene.head.skeleton

        def moved(place: Tensor) -> tuple[Tensor, Tensor]:
            assert avatar.deformer is not None
            places = place[None] if jacobian else place
            offset, directions = avatar.deformer(places)
            anchored = anchor(places + offset, directions, skeleton)
            found = deform(anchored, skeleton, expression, pose)[0]
            found = found[0] if jacobian else found
            return found, found

        def run() -> Tensor:
            with torch.no_grad():
                if jacobian:
                    return torch.func.vmap(torch.func.jacfwd(moved, has_aux=True))(avatar.points)[1]
                return moved(avatar.points)[0]

        return Work(run)

    return [
        Way(f"{points:,} points, plain", lambda: make(jacobian=False)),
        Way("with the Jacobian", lambda: make(jacobian=True)),
    ]


STAGES: dict[str, Callable[[Settings, Scene], list[Way]]] = {
    "training": training_ways,
    "film": film_ways,
    "deformation": deformation_ways,
}


def bench(settings: Settings) -> Bench:
    """The benchmark of head avatars, on the stand-in head."""
    return Bench(settings, STAGES, lambda: Scene.of(settings))
