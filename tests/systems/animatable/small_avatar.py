"""A person who is an egg: canonical maps, poses and pictures that take no time to make."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from hgm.body.kinematics import rotation_matrices, skin
from hgm.body.model import JOINTS
from hgm.cameras import Cameras, intrinsics, look_at
from hgm.gaussians import Gaussians
from hgm.splat import render
from hgm.systems.animatable.avatar import AvatarDesign, start_scales
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.animatable.samples import Shot, TrainingSet
from hgm.systems.animatable.settings import Avatar, Pretraining

SIZE = 32  # of a map
PICTURE = 32
RADII = torch.tensor([0.35, 0.8, 0.2])  # m
CENTER = torch.tensor([0.0, 0.1, 0.0])
CHEST = 9  # the joint that bends the upper half
NETWORK = {"top": 4, "cap": 8, "style": 8}


def egg(size: int = SIZE) -> CanonicalMaps:
    """An egg around CENTER, whose upper half follows the chest."""
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    inside = (x / RADII[0]) ** 2 + (y / RADII[1]) ** 2
    mask = inside < 1
    flat = torch.stack([x, y], -1)[mask]
    depth = RADII[2] * (1 - inside[mask]).sqrt()
    places = torch.cat([torch.cat([flat, side * depth[:, None]], 1) for side in (1, -1)])
    share = torch.sigmoid(10 * places[:, 1])
    weights = torch.zeros(len(places), JOINTS)
    weights[:, 0], weights[:, CHEST] = 1 - share, share
    return CanonicalMaps(
        mask=torch.stack([mask, mask]),
        positions=places + CENTER,
        normals=torch.nn.functional.normalize(places / RADII**2, dim=-1),
        weights=weights,
        rest_transforms=torch.eye(4).expand(JOINTS, 4, 4).clone(),
        joints=CENTER.expand(JOINTS, 3).clone(),
        center=CENTER,
    )


def bent(angles: Tensor, turns: Tensor | None = None) -> FrameTransforms:
    """Frames in which the chest bends forward by angles [F], the whole egg stands half a meter to
    the side and turns about the vertical by `turns` [F]."""
    count = len(angles)
    turns = torch.zeros_like(angles) if turns is None else turns

    def turned(vectors: Tensor, shift: Tensor) -> Tensor:
        """About CENTER."""
        whole = torch.eye(4).to(angles).repeat(count, 1, 1)
        whole[:, :3, :3] = rotation_matrices(vectors)
        center = CENTER.to(angles)
        whole[:, :3, 3] = center - whole[:, :3, :3] @ center + shift.to(angles)
        return whole

    zero = torch.zeros_like(angles)
    bend = turned(torch.stack([angles, zero, zero], -1), torch.zeros(3))
    root = turned(torch.stack([zero, turns, zero], -1), torch.tensor([0.5, 0.0, 0.0]))
    poses = torch.eye(4).to(angles).repeat(count, JOINTS, 1, 1)
    poses[:, CHEST] = bend
    return FrameTransforms(tuple(range(count)), root[:, None] @ poses, poses)


def ring(count: int, size: int = PICTURE) -> dict[str, Cameras]:
    """Cameras around the egg."""
    angles = 2 * torch.pi * torch.arange(count) / count
    target = torch.tensor([0.5, 0.1, 0.0])
    away = torch.stack([angles.sin(), torch.zeros(count), angles.cos()], -1)
    w2c = look_at(target + 2.5 * away, target)
    K = intrinsics(size, focal=1.2)
    return {f"cam{i}": Cameras(K, w2c[i], size, size) for i in range(count)}


class Picture(NamedTuple):
    rgb: Tensor
    alpha: Tensor


@dataclass
class Filmed:
    """Pictures of the egg, which darkens as it bends, and what was asked for."""

    frames: FrameTransforms
    angles: Tensor
    cameras: dict[str, Cameras]
    asked: list[Shot] = field(default_factory=list)
    lacking: set[Shot] = field(default_factory=set)

    def has(self, camera: str, frame: int) -> bool:
        return (camera, frame) not in self.lacking

    def picture(self, camera: str, frame: int) -> Picture:
        self.asked.append((camera, frame))
        maps = egg(48)
        places = skin(maps.positions, maps.weights, self.frames.transforms[frame])
        colors = 0.5 + 0.4 * torch.sin(7 * maps.positions)
        colors = colors * (1 - 0.3 * float(self.angles[frame]))
        dots = Gaussians(
            places,
            torch.full((len(maps),), 0.95),
            1.2 * start_scales(maps.positions)[:, None].expand(-1, 3),
            torch.tensor([1.0, 0, 0, 0]).expand(len(maps), 4),
            colors,
        )
        seen = render(dots, self.cameras[camera][None], backend="torch")
        rgb, alpha = ((255 * x[0]).round().clamp(0, 255).to(torch.uint8) for x in seen[:2])
        return Picture(rgb, alpha)


class Kept(Filmed):
    """The same, each picture made once."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.made: dict[Shot, Picture] = {}

    def picture(self, camera: str, frame: int) -> Picture:
        shot = (camera, frame)
        if shot not in self.made:
            self.made[shot] = super().picture(camera, frame)
        self.asked.append(shot)
        return self.made[shot]


def footage(frames: int = 4, cameras: int = 3) -> TrainingSet:
    """A film of the egg, of which the last camera is not trained on."""
    angles = torch.linspace(0, 1.2, frames)
    moving = bent(angles, torch.linspace(0, 0.6, frames))
    capture = Kept(moving, angles, ring(cameras))
    seen = list(capture.cameras)[:-1]
    return TrainingSet(capture, [(c, f) for f in range(frames) for c in seen], moving)


def design(variant: str = "full", size: int = SIZE, **changes: object) -> AvatarDesign:
    return AvatarDesign(size=size, variant=variant, **{**NETWORK, **changes})


def pretraining(**changes: object) -> Pretraining:
    return Pretraining(**{"steps": 4, "lr": 2e-3, **changes})


def training(**changes: object) -> Avatar:
    small = {"steps": 6, "lr": 2e-3, "patch": 24, "ring": 1, "validate_every": 3}
    return Avatar(**{**small, **changes})


def read(folder: Path, column: str) -> list[float]:
    """A column of a history."""
    head, *rows = [line.split("\t") for line in (folder / "history.tsv").read_text().splitlines()]
    return [float(row[head.index(column)]) for row in rows if row[head.index(column)]]
