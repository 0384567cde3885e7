"""A head model with FLAME's sizes and simple numbers, and a short video of it."""

from functools import cache

import numpy as np
import torch

from hgm.body.flame import EXPRESSIONS, SHAPES, VERTICES, HeadArrays, HeadModel
from hgm.cameras import Cameras, intrinsics, look_at
from hgm.gaussians import Gaussians
from hgm.splat import render
from hgm.systems.monogaussian.footage import Footage
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import SubjectHead

MOVING = 3  # expressions that change the head
TINY = {
    "deformer_width": 8,
    "geometry_width": 16,
    "correction_width": 4,
    "frequencies": 1,
    "epochs": 4,
    "batch": 2,
    "lr": 1e-3,
    "tracking_start": 0.5,
    "bands": [
        {"start": 0.0, "points": 60, "radius": 0.08},
        {"start": 0.5, "points": 90, "radius": 0.06},
    ],
}
SIZE = 24


@cache
def small_head() -> HeadModel:
    """An egg of 12 cm whose upper half turns with the neck and whose front opens with the jaw."""
    rng = np.random.default_rng(3)
    template = rng.normal(size=(VERTICES, 3))
    template *= [0.08, 0.12, 0.09] / np.linalg.norm(template, axis=1, keepdims=True)
    height = template[:, 1] / 0.12
    neck = 1 / (1 + np.exp(-6 * height))
    jaw = (1 - neck) * (template[:, 2] > 0.04)
    weights = np.stack([1 - neck - jaw, neck * 0.8, jaw, neck * 0.1, neck * 0.1], 1)
    directions = np.zeros((VERTICES, 3, EXPRESSIONS))
    directions[:, :, :MOVING] = 0.01 * np.sin(
        30 * template @ rng.normal(size=(3, 3 * MOVING))
    ).reshape(-1, 3, MOVING)
    shapes = np.zeros((VERTICES, 3, SHAPES))
    shapes[:, :, 0] = 0.05 * template
    regressor = np.zeros((5, VERTICES))
    for row, place in zip(
        regressor,
        [(0, -0.12, 0), (0, -0.06, 0), (0, 0, 0.02), (0.03, 0.04, 0.07), (-0.03, 0.04, 0.07)],
        strict=True,
    ):
        near = np.exp(-((template - place) ** 2).sum(1) / 0.03**2)
        row[:] = near / near.sum()
    return HeadModel.of(
        HeadArrays(
            template=template,
            faces=np.zeros((9976, 3), np.int64),
            shapes=shapes,
            expressions=directions,
            pose_shapes=0.01
            * np.sin(20 * template @ rng.normal(size=(3, 108)))
            .reshape(-1, 36, 3)
            .transpose(1, 0, 2),
            regressor=regressor,
            weights=weights,
        )
    )


def motion(frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random expressions [F, 50] and poses [F, 15]."""
    generator = torch.Generator().manual_seed(seed)
    expression = torch.zeros(frames, 50)
    expression[:, :MOVING] = torch.randn(frames, MOVING, generator=generator)
    pose = 0.2 * torch.randn(frames, 15, generator=generator)
    return expression, pose


def subject(expression: torch.Tensor) -> SubjectHead:
    return SubjectHead.of(small_head(), torch.zeros(100), expression.mean(0))


class Filmed:
    """Pictures of a head of colored dots."""

    def __init__(self, expression: torch.Tensor, pose: torch.Tensor, cameras: Cameras) -> None:
        posed = small_head()(torch.zeros(len(pose), 100), expression, pose)
        dots = 4 * posed.vertices[:, ::20]
        place = small_head().template[::20]
        count = dots.shape[:2]
        dots = Gaussians(
            dots,
            torch.full(count, 0.9),
            torch.full((*count, 3), 0.06),
            torch.tensor([1.0, 0, 0, 0]).expand(*count, 4),
            (0.5 + 4 * place).clamp(0, 1).expand(*count, 3),
        )
        rgb = render(dots, cameras[:, None], backend="torch").rgb[:, 0]
        self.pictures = (rgb * 255).round().to(torch.uint8)

    def image(self, frame: int) -> torch.Tensor:
        return self.pictures[frame]


def footage(frames: int = 5, size: int = SIZE, seed: int = 0) -> Footage:
    """A video of the small head from the front."""
    expression, pose = motion(frames, seed)
    eye = torch.tensor([0.0, 0.0, 3.0])
    cameras = Cameras(
        intrinsics(size, focal=1.6).expand(frames, 3, 3),
        look_at(eye, torch.zeros(3)).expand(frames, 4, 4),
        size,
        size,
    )
    return Footage(expression, pose, cameras, Filmed(expression, pose, cameras))


def tiny(**changes: object) -> Avatar:
    return Avatar(**{**TINY, **changes})
