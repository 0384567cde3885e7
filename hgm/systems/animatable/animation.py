"""Films of an avatar that a motion drives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hgm.body.joints import BODY_NAMES
from hgm.body.kinematics import blended
from hgm.cameras import Cameras
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.export.upright import upright
from hgm.gaussians import Gaussians
from hgm.images.filming import Course
from hgm.images.video import write_video
from hgm.images.views import save_image, to_bytes
from hgm.scans.gps_files import save_jpeg
from hgm.splat import backend_for, render
from hgm.systems.animatable.avatar import Attributes, Avatar
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.pose_space import PoseSpace

FILM, RECORD = "rgb.mp4", "film.json"
PICTURES, MASKS = "rgb", "mask"
WRISTS = tuple(BODY_NAMES.index(f"{side}_wrist") + 1 for side in ("left", "right"))
FINGERS = 25  # the first joint of the fingers


@dataclass(frozen=True)
class Bounds:
    """How poses are kept near those of the training: the space of these, how many of its
    components, and by how many deviations each may depart from their mean. A space of None or no
    components keep a pose as it is."""

    space: PoseSpace | None = None
    components: int = 20
    sigma: float = 2.0

    def kept(self, pose_map: Tensor) -> Tensor:
        """Maps [B, 3, s, s] of poses inside."""
        if self.space is None or not self.components:
            return pose_map
        return self.space.project(pose_map, self.sigma, min(self.components, len(self.space)))

    def beyond(self, pose_map: Tensor) -> Tensor:
        """Which maps [B, 3, s, s], bool [B], depart farther along a component that is kept."""
        if self.space is None or not self.components:
            return pose_map.new_zeros(len(pose_map), dtype=torch.bool)
        count = min(self.components, len(self.space))
        along = self.space.coefficients(pose_map)[:, :count].abs()
        return (along > self.sigma * self.space.deviations[:count]).any(1)


@dataclass(frozen=True)
class Film:
    """The F frames of a film."""

    driven: FrameTransforms
    course: Course
    cameras: Cameras  # [F], in the world of the transforms
    fps: int
    bounds: Bounds = field(default_factory=Bounds)
    hand_pose: Tensor | None = None  # [55, 4, 4] a pose from which the hands' Gaussians are taken

    def __len__(self) -> int:
        return len(self.driven)


class Shot(NamedTuple):
    """A frame of a film."""

    gaussians: Gaussians  # [N] meters
    rgb: Tensor  # [3, H, W] in 0-1 over white
    alpha: Tensor  # [1, H, W]
    offset: float  # meters by which the farthest Gaussian left its place on the surface
    beyond: bool  # whether the pose was outside of its bounds
    moved: float  # meters by which the bounds moved what the networks see, in the mean


@torch.no_grad()
def shots_of(avatar: Avatar, film: Film, *, backend: str = "auto") -> Iterator[Shot]:
    """The frames of a film, one at a time, on the avatar's device."""
    device = avatar.canonical.positions.device
    backend = backend_for(backend, device)
    cameras = film.cameras.to(device)
    hands = hand_points(avatar) if film.hand_pose is not None else None
    for i in range(len(film)):
        transforms, pose = (
            table[i : i + 1].to(device) for table in (film.driven.transforms, film.driven.poses)
        )
        seen = position_map(avatar.canonical, pose)
        kept = film.bounds.kept(seen)
        pixels, _ = avatar.canonical.coarse
        moved_by = (kept - seen)[0].flatten(1)[:, pixels].norm(dim=0).mean()
        moved = blended(avatar.canonical.weights, transforms)
        cosines = avatar.cosines(moved, cameras.centers[i : i + 1])
        attributes = avatar.attributes(kept, cosines)
        if hands is not None and film.hand_pose is not None:
            fixed = position_map(avatar.canonical, film.hand_pose[None].to(device))
            attributes = _mixed(attributes, avatar.attributes(fixed, cosines), hands)
        gaussians = avatar.posed(attributes, moved)[0]
        picture = render(gaussians, cameras[[i]], backend=backend)
        yield Shot(
            gaussians,
            picture.rgb[0].clamp(0, 1),
            picture.alpha[0].clamp(0, 1),
            float(attributes.offsets.norm(dim=-1).max()),
            bool(film.bounds.beyond(seen)[0]),
            float(moved_by),
        )


def hand_points(avatar: Avatar) -> Tensor:
    """Which points [N] of an avatar move with a wrist or a finger more than with any other
    joint."""
    joint = avatar.canonical.weights.argmax(-1)
    return (joint == WRISTS[0]) | (joint == WRISTS[1]) | (joint >= FINGERS)


def film_avatar(
    avatar: Avatar,
    film: Film,
    out: Path,
    *,
    plys: int = 0,
    told: Mapping[str, Any] | None = None,
    backend: str = "auto",
) -> None:
    """Write `rgb.mp4`, its frames as `rgb/%08d.jpg` over white, their coverage as
    `mask/%08d.png`, the Gaussians of `plys` frames, evenly spread and upright, as
    `gaussians_%04d.ply`, and film.json: what is `told`, and how far poses and Gaussians went."""
    for folder in (PICTURES, MASKS):
        shutil.rmtree(out / folder, ignore_errors=True)
        (out / folder).mkdir(parents=True)
    for old in out.glob("gaussians_*.ply"):
        old.unlink()
    chosen = set(np.linspace(0, len(film) - 1, min(plys, len(film))).round().astype(int).tolist())
    offsets: list[float] = []
    moved: list[float] = []
    beyond: list[bool] = []

    def pictures() -> Iterator[np.ndarray]:
        shots = shots_of(avatar, film, backend=backend)
        progress = Progress("animate", len(film))
        for i, shot in enumerate(progress.each(shots)):
            if i in chosen:
                upright(shot.gaussians, film.course, i).save_ply(out / f"gaussians_{i:04d}.ply")
            yield _written(shot, i, out)
            offsets.append(shot.offset)
            moved.append(shot.moved)
            beyond.append(shot.beyond)

    write_video(out / FILM, pictures(), fps=film.fps)
    record = {
        **(told or {}),
        "frames": len(film),
        "fps": film.fps,
        "points": len(avatar.canonical),
        "components": film.bounds.components if film.bounds.space is not None else 0,
        "sigma": film.bounds.sigma,
        "beyond": float(np.mean(beyond)),
        "moved": float(np.mean(moved)),
        "largest_offset": max(offsets),
    }
    write_json(out / RECORD, record)


def _written(shot: Shot, number: int, out: Path) -> np.ndarray:
    """Write a frame; its picture uint8 [H, W, 3]."""
    picture = to_bytes(shot.rgb)
    save_jpeg(out / PICTURES / f"{number:08d}.jpg", picture)
    save_image(out / MASKS / f"{number:08d}.png", shot.alpha)
    return picture


def _mixed(own: Attributes, other: Attributes, chosen: Tensor) -> Attributes:
    """Attributes [B, N, ...] of which the chosen points [N] have the others'."""
    found = []
    for mine, theirs in zip(own, other, strict=True):
        mask = chosen.reshape(1, -1, *[1] * (mine.ndim - 2))
        found.append(torch.where(mask, theirs, mine))
    return Attributes(*found)
