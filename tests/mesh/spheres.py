"""A sphere off the origin, as analytic depth maps and as Gaussians."""

import math

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians

CENTER = torch.tensor([0.05, 0.15, -0.1])
RADIUS = 0.4


def sphere_depth(cameras: Cameras) -> Tensor:
    """Planar depth [C, 1, H, W] of the sphere, 0 where it is not hit."""
    origin, ray = cameras.rays()
    offset = origin - CENTER[:, None, None]
    b = (offset * ray).sum(1, keepdim=True)
    root = b * b - (offset.square().sum(1, keepdim=True) - RADIUS**2)
    distance = -b - root.clamp(min=0).sqrt()
    forward = cameras.world_to_camera[:, 2, :3, None, None]
    return torch.where(root > 0, distance * (ray * forward).sum(1, keepdim=True), 0.0)


def ball(count: int = 8000) -> Gaussians:
    """Opaque flat Gaussians on the sphere, red above its center and blue below."""
    i = torch.arange(count) + 0.5
    y = 1 - 2 * i / count
    a = math.pi * (1 + 5**0.5) * i
    r = (1 - y * y).sqrt()
    normal = torch.stack([r * a.sin(), y, r * a.cos()], -1)
    size = RADIUS * math.sqrt(4 * math.pi / count)
    quats = torch.nn.functional.normalize(
        torch.stack([1 + normal[:, 2], -normal[:, 1], normal[:, 0], 0 * y], -1), dim=-1
    )
    colors = torch.where(
        y[:, None] > 0, torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9])
    )
    return Gaussians(
        CENTER + RADIUS * normal,
        torch.full((count,), 0.95),
        size * torch.tensor([0.6, 0.6, 0.05]).expand(count, 3),
        quats,
        colors,
    )
