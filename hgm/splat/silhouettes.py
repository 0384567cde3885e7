"""Soft silhouettes of a body mesh and their overlap with masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.splat import render
from hgm.splat.surfels import Surfels, pixel_size

SUPERSAMPLING = 2  # a larger image costs little: the work goes by the disc


def silhouettes(
    vertices: Tensor,
    surfels: Surfels,
    cameras: Cameras,
    *,
    supersampling: int = SUPERSAMPLING,
    backend: str = "auto",
) -> Tensor:
    """The coverage [C, 1, H, W] in [0, 1] of a body, vertices [N, 3] in NU, seen by cameras [C];
    differentiable."""
    fine = cameras.resized(cameras.width * supersampling, cameras.height * supersampling)
    alpha = render(surfels.gaussians(vertices, pixel_size(fine)), fine, backend=backend).alpha
    return F.avg_pool2d(alpha, supersampling)


def soft_iou(p: Tensor, t: Tensor) -> Tensor:
    """Soft intersection over union [...] of coverages p and t [..., 1, H, W]: sum pt / (sum p + sum
    t - sum pt), the denominator at least 1e-6 (as in HGM's release)."""
    both = (p * t).sum((-3, -2, -1))
    return both / (p.sum((-3, -2, -1)) + t.sum((-3, -2, -1)) - both).clamp(min=1e-6)


def resized_mask(mask: Tensor, width: int, height: int) -> Tensor:
    """Coverage [..., 1, H, W] at another size; each new pixel is the mean of the area under it."""
    flat = mask.reshape(-1, 1, *mask.shape[-2:])
    size = (height, width)
    out = (
        F.interpolate(flat, size, mode="area")
        if height <= mask.shape[-2]
        else F.interpolate(flat, size, mode="bilinear", align_corners=False)
    )
    return out.reshape(*mask.shape[:-2], *size).clamp(0, 1)


def mask_box(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Corners (x0, y0), (x1, y1) in pixels, [2] each, of the box around a mask [1, H, W] (coverage
    above one half)."""
    inside = mask[0] > 0.5
    ys = inside.any(1).nonzero()[:, 0]
    xs = inside.any(0).nonzero()[:, 0]
    if len(ys) == 0:
        raise ValueError("the mask is empty")
    return torch.stack([xs[0], ys[0]]).float(), torch.stack([xs[-1], ys[-1]]).float() + 1
