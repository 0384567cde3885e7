"""Trains an avatar: first its networks, to give what every Gaussian begins with, then by the
pictures of a capture."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline, use_threads
from hgm.images.views import save_image
from hgm.metrics.lpips import LPIPS
from hgm.splat import backend_for, render
from hgm.splat.rendering import Rendering
from hgm.systems.animatable.avatar import Avatar, AvatarDesign, AvatarOutput
from hgm.systems.animatable.canonical import SIDES, CanonicalMaps
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.losses import Crop, Target, offset_loss, picture_loss, psnr_in_box
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.pose_space import PoseSpace
from hgm.systems.animatable.samples import Sample, TrainingSet, drawn
from hgm.systems.animatable.settings import Avatar as AvatarSettings
from hgm.systems.animatable.settings import Pretraining
from hgm.train.loop import fit, write_history, write_record
from hgm.train.prefetch import LOADERS, Prefetch
from hgm.train.settings import Optimizer, Schedule

log = logging.getLogger(__name__)
PRETRAIN, TRAIN = "pretrain", "avatar"  # stages, named as their sections
POSE_SPACE = "pose_space.npz"
PICTURES = "validation"  # folder of pictures of the avatar beside one that it is trained on
VIEW_NOISE = 0.1  # standard deviation, of the cosines of viewing directions
OPTIMIZER = Optimizer(name="adam")
RELIEF = (
    "lower maps.size, network.top or network.cap, set network.precision: bf16, or use a larger "
    "device"
)


def first_avatar(design: AvatarDesign, canonical: CanonicalMaps, seed: int) -> Avatar:
    """An avatar that nothing has trained; its weights depend on the seed only."""
    torch.manual_seed(derived_seed(seed, PRETRAIN, "start"))
    return Avatar(design, canonical)


def pretrain(
    avatar: Avatar,
    frames: FrameTransforms,
    settings: Pretraining,
    out: Path,
    state: Path,
    *,
    seed: int = 0,
    deadline: Deadline | None = None,
) -> None:
    """Train the networks until they give, in the poses of all frames, places, opacities, scales and
    rotations as at the start; write the avatar (`Avatar.save`), `history.tsv` and `training.json`.

    An avatar without networks is written as it is. Resumes from `state`. Raises InputError where
    the loss is not finite, SliceEnded at the deadline.
    """
    poses = frames.poses.to(avatar.canonical.positions.device)

    def loss(step: int, _: torch.Generator, __: slice) -> tuple[Tensor, dict[str, Tensor]]:
        pose = poses[drawn(seed, PRETRAIN, step, len(poses))]
        return start_loss(avatar, position_map(avatar.canonical, pose[None]))

    if avatar.networks is None:
        _write(avatar, out, [{"step": 0}])
        return
    history = fit(
        avatar,
        loss,
        settings,
        stage=PRETRAIN,
        seed=seed,
        state=state,
        optimizer=OPTIMIZER,
        schedule=Schedule(name="constant"),
        deadline=deadline,
        relief=RELIEF,
    )
    _write(avatar, out, history)
    write_record(out, state)


def start_loss(avatar: Avatar, pose_maps: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """How far the Gaussians of maps [B, 3, s, s] of poses are from those of the start: the sum of
    the mean absolute errors of their places, opacities, scales and rotations, and each alone."""
    found, wanted = avatar.shapes(pose_maps), avatar.start(len(pose_maps))
    parts = {
        name: (getattr(found, name) - getattr(wanted, name)).abs().mean()
        for name in ("offsets", "opacities", "scales", "rotations")
    }
    return torch.stack(list(parts.values())).sum(), parts


def train(
    avatar: Avatar,
    pictures: TrainingSet,
    settings: AvatarSettings,
    out: Path,
    state: Path,
    *,
    seed: int = 0,
    backend: str = "auto",
    lpips: LPIPS | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Train a pretrained avatar and write it (`Avatar.save`), `history.tsv`, `training.json`
    (backends), pictures of it, and the space of its training poses.

    Resumes from `state`. Raises InputError for pictures that cannot be read and where the loss is
    not finite, SliceEnded at the deadline.
    """
    device = avatar.canonical.positions.device
    if device.type == "cuda":
        use_threads(1)  # the job's other threads read ahead
    backend = backend_for(backend, device)
    if lpips is not None:
        lpips = lpips.to(device)
    elif settings.lpips > 0:
        log.info("without weights.lpips and weights.vgg16, 1 - SSIM takes the place of LPIPS")
    learning = Learning(avatar, settings, backend, lpips)

    def sample(step: int) -> Sample:
        return pictures.sample(drawn(seed, TRAIN, step, len(pictures)))

    def loss(step: int, generator: torch.Generator, _: slice) -> tuple[Tensor, dict[str, Tensor]]:
        return learning.loss(step, generator, samples[step].to(device))

    shown = state / PICTURES

    def validate(step: int) -> Mapping[str, float]:
        # the first one, which is looked at again and again
        picture, error = learning.beside(pictures.sample(0).to(device))
        save_image(shown / f"step_{step:06d}.png", picture)
        return {"shown_psnr": error}

    samples = Prefetch(sample, threads=LOADERS if device.type == "cuda" else 0)
    try:
        history = fit(
            avatar,
            loss,
            settings,
            stage=TRAIN,
            seed=seed,
            state=state,
            optimizer=OPTIMIZER,
            schedule=Schedule(name="cosine", floor=settings.floor),
            deadline=deadline,
            validate=validate,
            validate_every=settings.validate_every,
            backends={"splat": backend, "similarity": "lpips" if lpips else "ssim"},
            relief=RELIEF,
        )
    finally:
        samples.close()
    _write(avatar, out, history)
    write_record(out, state)
    shutil.rmtree(out / PICTURES, ignore_errors=True)  # of an earlier training
    if shown.exists():
        shutil.copytree(shown, out / PICTURES)
    poses = pictures.frames.poses.to(device)
    PoseSpace.fit(avatar.canonical, poses).save(out / POSE_SPACE)


class Learning:
    """An avatar with what its training by pictures takes."""

    def __init__(
        self,
        avatar: Avatar,
        settings: AvatarSettings,
        backend: str,
        lpips: LPIPS | None,
    ) -> None:
        self.avatar = avatar
        self.settings = settings
        self.backend = backend
        self.lpips = lpips
        self.whole = round(settings.whole * settings.steps)  # steps that see the whole person

    def loss(
        self, step: int, generator: torch.Generator, sample: Sample
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Of one picture, over a random background; the crop is drawn by the generator."""
        settings = self.settings
        background = torch.rand(3, generator=generator)
        target = Target.of(
            sample.rgb, sample.alpha, background.to(sample.rgb.device), settings.ring
        )
        crop = Crop.of(target.person, settings.patch, generator if step >= self.whole else None)
        output = self.output(sample, noisy=True)
        seen = self.rendered(output, sample.camera, background)
        total, parts = picture_loss(
            seen.rgb[0, 0], seen.alpha[0, 0], target, crop, settings, self.lpips
        )
        parts["offset"] = offset_loss(output.offsets)
        return total + settings.offset * parts["offset"], parts

    def output(self, sample: Sample, *, noisy: bool) -> AvatarOutput:
        """The avatar in the frame of a sample."""
        pose_map = position_map(self.avatar.canonical, sample.pose[None])
        noise = VIEW_NOISE * torch.randn_like(pose_map[:, :SIDES]) if noisy else None
        return self.avatar(pose_map, sample.transforms[None], sample.camera.centers[None], noise)

    def rendered(self, output: AvatarOutput, camera: Cameras, background: Tensor) -> Rendering:
        """One frame [1] by one camera [1]."""
        return render(
            output.gaussians, camera[None, None], backend=self.backend, background=background
        )

    @torch.no_grad()
    def beside(self, sample: Sample) -> tuple[Tensor, float]:
        """A picture with what the avatar shows beside it [3, H, 2 W], over white, and its PSNR in
        the person's box."""
        white = torch.ones(3)
        target = Target.of(sample.rgb, sample.alpha, white.to(sample.rgb.device), 1)
        seen = self.rendered(self.output(sample, noisy=False), sample.camera, white)
        picture = seen.rgb[0, 0].clamp(0, 1)
        return torch.cat([target.picture, picture], -1), psnr_in_box(picture, target)


def _write(avatar: Avatar, out: Path, history: list[dict[str, float]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_history(out / "history.tsv", history)
    avatar.save(out)
