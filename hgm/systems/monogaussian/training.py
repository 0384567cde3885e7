"""Trains the avatar of a head on a subject's clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hgm.core.files import atomic_write
from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline
from hgm.gaussians import Gaussians
from hgm.splat import backend_for
from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.course import Course, Epoch
from hgm.systems.monogaussian.footage import Footage, rendered
from hgm.systems.monogaussian.losses import VGGLoss, head_loss, picture_loss
from hgm.systems.monogaussian.points import refilled, sphere, survivors
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import Directions, SubjectHead
from hgm.systems.monogaussian.tracking import Frames, Tracking
from hgm.systems.monogaussian.variants import Variant
from hgm.systems.monogaussian.warm_start import warm_start
from hgm.train.growth import NEW
from hgm.train.loop import fit, write_history, write_record
from hgm.train.settings import Optimization, Optimizer, Schedule

STAGE = "avatar"
TRACKING = "tracking.npz"
NO_CLIP = 1e9  # the release clips no gradients
RELIEF = "lower avatar.batch_points or the points of avatar.bands, or use a larger device"


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
        self.tracked_from = course.step_at(course.avatar.tracking_start)

    def frames(self, step: int, index: Tensor) -> tuple[Frames, Tensor | None]:
        """What is known of frames at a step, and the shift of their cameras, if any."""
        settings = self.course.avatar
        frames = self.tracking(index)
        learned = self.variant.tracking and step >= self.tracked_from
        if not (learned and settings.tracking_lr > 0):
            frames = Frames(frames.expression.detach(), frames.pose.detach(), frames.shift)
        moving = learned and settings.shift_lr > 0 and not self.variant.released.fixed_camera
        return frames, frames.shift if moving else None

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


class AvatarLoss:
    """The loss of a training's steps, for `fit`: of their pictures, of how far the deformer is from
    the head model, and the frames' numbers from what was tracked."""

    def __init__(
        self,
        training: AvatarTraining,
        footage: Footage,
        vgg: VGGLoss | None,
        *,
        seed: int,
        backend: str,
    ) -> None:
        self.training = training
        self.footage = footage
        self.vgg = vgg
        self.seed = seed
        self.backend = backend
        self.device = training.avatar.points.device
        self.cameras = footage.cameras.to(self.device)
        settings = training.course.avatar
        variance = footage.expression.var(0, correction=0).clamp(min=settings.variance_floor)
        self.variance = variance.to(self.device)
        self.halvings = [training.course.step_at(share) for share in settings.flame_milestones]
        # of the epoch at hand: the order of its frames, and what its points are drawn towards
        self.current: dict[int, tuple[Tensor, Directions | None]] = {}

    def __call__(
        self, step: int, _: torch.Generator, part: slice
    ) -> tuple[Tensor, dict[str, Tensor]]:
        training, avatar = self.training, self.training.avatar
        settings = training.course.avatar
        epoch = training.course.epoch_of(step)
        order, wanted = self._of(epoch)
        first = (step - epoch.first) * epoch.batch
        drawn = order[first : first + training.course.batch(step)][part]
        index = drawn.to(self.device)
        frames, shift = training.frames(step, index)
        ready = avatar.ready()
        gaussians = avatar(frames.expression, frames.pose, radius=epoch.radius, ready=ready)
        training.note_opacities(gaussians)
        pictures = rendered(gaussians, self.cameras[index], shift, self.backend)
        truth = self.footage.images(drawn, self.device)
        total, parts = picture_loss(pictures, truth, settings, self.vgg)
        weight = settings.flame * 0.5 ** sum(step >= halving for halving in self.halvings)
        if wanted is not None and weight > 0:
            parts["head"] = head_loss(ready.anchored.directions, wanted, self.variance)
            total = total + weight * parts["head"]
        if settings.tracking_prior > 0:
            parts["tracking"] = departure(frames, self.footage, drawn)
            total = total + settings.tracking_prior * parts["tracking"]
        parts["points"] = total.new_tensor(float(len(avatar.points)))
        return total, parts

    def _of(self, epoch: Epoch) -> tuple[Tensor, Directions | None]:
        if epoch.index not in self.current:
            training = self.training
            order = frame_order(self.seed, epoch, len(self.footage))
            bound = training.variant.bound
            wanted = None if bound else training.head.directions.at(training.avatar.nearest)
            self.current = {epoch.index: (order, wanted)}
        return self.current[epoch.index]


def departure(frames: Frames, footage: Footage, drawn: Tensor) -> Tensor:
    """Sum of the squares by which the numbers of drawn frames [B] of a footage are from those that
    were tracked, as a mean over the frames."""
    given = (x[drawn].to(frames.pose) for x in (footage.expression, footage.pose))
    apart = (frames.expression, frames.pose)
    differences = [a - b for a, b in zip(apart, given, strict=True)] + [frames.shift]
    return torch.cat(differences, 1).square().sum(1).mean()


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
    design = Design.of(settings, variant, footage.cameras.width)
    avatar = _first_avatar(design, course.epochs[0].points, head, seed).to(place)
    head = head.to(place)
    vgg = None if vgg is None else vgg.to(place)
    if avatar.deformer is not None and settings.warm_steps:
        warm_start(avatar.deformer, head, settings, state / "warm", seed=seed, deadline=deadline)
    avatar.find_nearest(head)
    tracking = Tracking(footage.expression, footage.pose).to(place)
    training = AvatarTraining(avatar, tracking, course, head, variant)
    loss = AvatarLoss(training, footage, vgg, seed=seed, backend=backend)
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


def _first_avatar(design: Design, points: int, head: SubjectHead, seed: int) -> HeadAvatar:
    """Random networks, and points around the head's middle."""
    torch.manual_seed(derived_seed(seed, STAGE, "start"))
    generator = torch.Generator().manual_seed(derived_seed(seed, STAGE, "points"))
    return HeadAvatar(
        design,
        sphere(points, head.vertices.mean(0).cpu(), generator),
        head.skeleton,
        head.directions if design.bound else None,
    )


def _optimizer(settings: Avatar, avatar: HeadAvatar) -> Optimizer:
    rates = {}
    if avatar.deformer is not None:
        rates["avatar.deformer.*"] = settings.deformer_lr
    for name, rate in (("shift", settings.shift_lr), ("*", settings.tracking_lr)):
        if rate > 0:
            rates[f"tracking.{name}"] = rate
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
