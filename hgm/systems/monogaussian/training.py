"""Trains the avatar of a head on a subject's clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from hgm.cameras import Cameras
from hgm.core.files import atomic_write
from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline
from hgm.gaussians import Gaussians
from hgm.splat import backend_for, render
from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.course import Course, Epoch
from hgm.systems.monogaussian.losses import VGGLoss, head_loss, picture_loss
from hgm.systems.monogaussian.points import refilled, sphere, survivors
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import Directions, SubjectHead
from hgm.systems.monogaussian.tracking import Frames, Tracking, world_shift
from hgm.systems.monogaussian.variants import Variant
from hgm.systems.monogaussian.warm_start import warm_start
from hgm.train.growth import NEW
from hgm.train.loop import fit, write_history, write_record
from hgm.train.settings import Optimization, Optimizer, Schedule

STAGE = "avatar"
TRACKING = "tracking.npz"
NO_CLIP = 1e9  # the release clips no gradients
RELIEF = "lower avatar.batch_points or the points of avatar.bands, or use a larger device"


class Pictures(Protocol):
    """The pictures of a clip's frames, decoded on demand (`ClipPictures`)."""

    def image(self, frame: int) -> Tensor: ...  # uint8 [3, S, S], over white


@dataclass(frozen=True)
class Footage:
    """Frames of a subject: what a tracker said of them, and their pictures."""

    expression: Tensor  # [F, 50]
    pose: Tensor  # [F, 15]
    cameras: Cameras  # [F], head units
    pictures: Pictures

    @classmethod
    def of(cls, clip: Clip, pictures: Pictures, size: int) -> Footage:
        """Of a clip, or of several that are joined."""
        expression, pose = torch.from_numpy(clip.expression), torch.from_numpy(clip.pose)
        return cls(expression, pose, clip.cameras(size), pictures)

    def __len__(self) -> int:
        return len(self.pose)

    def images(self, frames: Tensor, device: torch.device) -> Tensor:
        """Pictures [B, 3, S, S] in 0-1 over white."""
        found = torch.stack([self.pictures.image(int(i)) for i in frames])
        return found.to(device).float() / 255


def rendered(gaussians: Gaussians, cameras: Cameras, shift: Tensor | None, backend: str) -> Tensor:
    """Pictures [B, 3, S, S] over white of B frames, each by its own camera [B], all in one call;
    shift [B, 3] is added to the cameras' translations."""
    if shift is not None:
        means = gaussians.means + world_shift(shift, cameras.world_to_camera)
        gaussians = dataclasses.replace(gaussians, means=means)
    return render(gaussians, cameras[:, None], backend=backend).rgb[:, 0]


class AvatarTraining(nn.Module):
    """An avatar with what it is trained by. It grows between epochs (`hgm.train.growth`)."""

    best: Tensor  # [N]: the best opacity of each point in this epoch

    def __init__(
        self,
        avatar: HeadAvatar,
        tracking: Tracking,
        course: Course,
        head: SubjectHead,
        variant: Variant,
    ) -> None:
        super().__init__()
        self.avatar = avatar
        self.tracking = tracking
        self.course = course
        self.head = head
        self.variant = variant
        self.register_buffer("best", torch.zeros(len(avatar.points), device=avatar.points.device))
        self.learns_tracking = course.avatar.tracking_lr > 0
        self.tracked_from = course.step_at(course.avatar.tracking_start)

    def frames(self, step: int, index: Tensor) -> tuple[Frames, Tensor | None]:
        """What is known of frames at a step, and the shift of their cameras, if any."""
        frames = self.tracking(index)
        if not (self.learns_tracking and step >= self.tracked_from):
            return Frames(*(x.detach() for x in frames)), None
        return frames, None if self.variant.released.fixed_camera else frames.shift

    def note_opacities(self, gaussians: Gaussians) -> None:
        """Remember the best ones of a step's frames."""
        opacities = gaussians.opacities.detach().flatten(0, -2).amax(0)
        self.best = torch.maximum(self.best, opacities)

    @torch.no_grad()
    def evolve(self, step: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        """After an epoch: drop the points that were never opaque, fill up to the number of the next
        one, and look up the nearest vertices again."""
        if step >= self.course.steps:
            return {}
        epoch = self.course.epoch_of(step)
        if step != epoch.first:
            return {}
        settings = self.course.avatar
        before = self.avatar.points.data
        kept = survivors(self.best, settings.least_opacity, epoch.index)
        count = max(epoch.points, len(before))
        spread = self.course.epochs[epoch.index - 1].radius
        points, rows = refilled(before, kept, count, spread, generator)
        self.avatar.points = nn.Parameter(points)
        self.best = points.new_zeros(len(points))
        self.avatar.find_nearest(self.head)
        if self.variant.released.restarted_moments:
            return {
                name: torch.full((len(p),), NEW)
                for name, p in self.named_parameters()
                if not name.startswith("tracking.")
            }
        return {"avatar.points": rows}


def frame_order(seed: int, epoch: Epoch, frames: int) -> Tensor:
    """The order [F] of an epoch's frames, by seed and epoch only."""
    generator = torch.Generator().manual_seed(derived_seed(seed, STAGE, "order", epoch.index))
    return torch.randperm(frames, generator=generator)


def train_avatar(
    footage: Footage,
    head: SubjectHead,
    settings: Avatar,
    variant: Variant,
    out: Path,
    state: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    backend: str = "auto",
    vgg: VGGLoss | None = None,
    deadline: Deadline | None = None,
) -> HeadAvatar:
    """Train and write the avatar (`HeadAvatar.save`), `history.tsv`, `tracking.npz` (the frames'
    numbers as learned) and `training.json` (backends). head: of the footage's mean expression.

    Resumes from `state`. Raises InputError when all points become transparent or the loss is not
    finite, and SliceEnded at the deadline.
    """
    place = torch.device(device)
    backend = backend_for(backend, place)
    course = Course(settings, len(footage))
    torch.manual_seed(derived_seed(seed, STAGE, "start"))
    generator = torch.Generator().manual_seed(derived_seed(seed, STAGE, "points"))
    avatar = HeadAvatar(
        Design.of(settings, variant, footage.cameras.width),
        sphere(course.epochs[0].points, head.vertices.mean(0).cpu(), generator),
        head.skeleton,
        head.directions if variant.bound else None,
    ).to(place)
    head = head.to(place)
    vgg = None if vgg is None else vgg.to(place)
    if avatar.deformer is not None and settings.warm_steps:
        warm_start(avatar.deformer, head, settings, state / "warm", seed=seed, deadline=deadline)
    avatar.find_nearest(head)
    tracking = Tracking(footage.expression, footage.pose).to(place)
    training = AvatarTraining(avatar, tracking, course, head, variant)
    cameras = footage.cameras.to(place)
    variance = footage.expression.var(0, correction=0).clamp(min=settings.variance_floor)
    variance = variance.to(place)
    halvings = [course.step_at(share) for share in settings.flame_milestones]
    # of the epoch at hand: the order of its frames, and what its points are drawn towards
    current: dict[int, tuple[Tensor, Directions | None]] = {}

    def loss(step: int, _: torch.Generator, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        epoch = course.epoch_of(step)
        if epoch.index not in current:
            current.clear()
            wanted = None if variant.bound else head.directions.at(avatar.nearest)
            current[epoch.index] = (frame_order(seed, epoch, len(footage)), wanted)
        order, wanted = current[epoch.index]
        first = (step - epoch.first) * epoch.batch
        drawn = order[first : first + course.batch(step)][part]
        index = drawn.to(place)
        frames, shift = training.frames(step, index)
        ready = avatar.ready()
        gaussians = avatar(frames.expression, frames.pose, radius=epoch.radius, ready=ready)
        training.note_opacities(gaussians)
        pictures = rendered(gaussians, cameras[index], shift, backend)
        total, parts = picture_loss(pictures, footage.images(drawn, place), settings, vgg)
        weight = settings.flame * 0.5 ** sum(step >= halving for halving in halvings)
        if wanted is not None and weight > 0:
            parts["head"] = head_loss(ready.anchored.directions, wanted, variance)
            total = total + weight * parts["head"]
        parts["points"] = total.new_tensor(float(len(avatar.points)))
        return total, parts

    history = fit(
        training,
        loss,
        Optimization(steps=course.steps, lr=settings.lr, weight_decay=0.0, clip=NO_CLIP),
        stage=STAGE,
        seed=seed,
        state=state,
        optimizer=_optimizer(settings, avatar),
        schedule=_schedule(course, variant),
        batch=course.batch,
        deadline=deadline,
        backends={"splat": backend},
        relief=RELIEF,
    )
    avatar.radius.fill_(course.epochs[-1].radius)
    out.mkdir(parents=True, exist_ok=True)
    write_record(out, state)
    write_history(out / "history.tsv", history)
    _save_tracking(tracking, out / TRACKING)
    avatar.save(out)
    return avatar.requires_grad_(False).eval()


def _optimizer(settings: Avatar, avatar: HeadAvatar) -> Optimizer:
    rates = {}
    if avatar.deformer is not None:
        rates["avatar.deformer.*"] = settings.deformer_lr
    if settings.tracking_lr > 0:
        rates["tracking.*"] = settings.tracking_lr
    return Optimizer(name="adam", rates=rates, sparse=["tracking.*"])


def _schedule(course: Course, variant: Variant) -> Schedule:
    """The rate halves at the milestones, unless the schedule is dead."""
    if variant.released.dead_schedule:
        return Schedule(name="constant")
    marks = [max(1, course.step_at(share)) for share in course.avatar.lr_milestones]
    return Schedule(name="milestones", milestones=marks, factor=0.5)


def _save_tracking(tracking: Tracking, path: Path) -> None:
    arrays = {name: p.detach().cpu().numpy() for name, p in tracking.named_parameters()}
    with atomic_write(path) as file:
        np.savez(file, **arrays)
