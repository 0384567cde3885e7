"""Augmentations: of the second input view of the fusion training, which at test time is generated,
not seen (release), and of the body, which at test time is estimated (ours)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras

WAVES = 6
WAVE_NUMBER = 4.0  # radians per NU, one sigma in each direction: waves of about 1 NU


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def grid_distortion(image: Tensor, generator: torch.Generator, *, strength: float = 0.5) -> Tensor:
    """Warp [C, H, W] by moving the lines of a coarse grid (8 to 16 of them) by up to `strength` of
    their spacing.

    Rows and columns are moved independently and interpolated linearly, so the order of pixels is
    kept.
    """
    height, width = image.shape[-2:]
    axes = []
    for length in (height, width):
        lines = int(torch.randint(8, 17, (), generator=generator))
        knots = torch.linspace(-1, 1, lines + 1)
        move = (torch.rand(lines + 1, generator=generator) - 0.5) * strength * (2 / lines)
        move[0] = move[-1] = 0
        position = torch.linspace(-1 + 1 / length, 1 - 1 / length, length)
        cell = ((position + 1) * lines / 2).long().clamp(max=lines - 1)
        t = (position - knots[cell]) * lines / 2
        moved = knots + move
        axes.append(moved[cell] * (1 - t) + moved[cell + 1] * t)
    y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y], -1)[None].to(image)
    return F.grid_sample(
        image[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0]


def _axis_rotation(axis: int, angle: float) -> Tensor:
    c = math.cos(angle)
    s = math.sin(angle)
    R = torch.eye(3)
    i = (axis + 1) % 3
    j = (axis + 2) % 3
    R[i, i] = c
    R[i, j] = -s
    R[j, i] = s
    R[j, j] = c
    return R


def camera_jitter(camera: Cameras, generator: torch.Generator, *, strength: float = 0.1) -> Cameras:
    """One camera moved along a sphere around the world's origin: its eye and axes are rotated by up
    to 180 * strength degrees about its y axis and by up to half of that about its x axis (release).
    The pelvis keeps its pixel and its depth."""
    yaw, pitch = (_uniform(generator, -1, 1) * math.pi * strength * k for k in (1.0, 0.5))
    turn = (_axis_rotation(1, yaw) @ _axis_rotation(0, pitch)).to(camera.world_to_camera)
    moved = camera.world_to_camera.clone()
    # the translation, which is the origin in the camera's axes, stays
    moved[:3, :3] = turn @ camera.world_to_camera[:3, :3]
    return Cameras(camera.K, moved, camera.width, camera.height)


def moved_body(vertices: Tensor, generator: torch.Generator, *, error: float) -> Tensor:
    """Vertices [P, 3] of a body that is off by about as much as an estimated one: moved by a smooth
    random field, a sum of a few waves whose lengths are those of limbs and of the whole person.

    The root mean square of the movement is drawn between zero and twice `error`, in units of the
    vertices, so that bodies that are almost right occur too.
    """
    wave = torch.randn(WAVES, 3, generator=generator) * WAVE_NUMBER
    phase = torch.rand(WAVES, generator=generator) * 2 * math.pi
    turn = torch.randn(WAVES, 3, generator=generator)
    field = torch.sin(vertices @ wave.mT + phase) @ turn
    size = field.square().sum(-1).mean().sqrt().clamp(min=1e-6)
    return vertices + field * (_uniform(generator, 0, 2) * error / size)
