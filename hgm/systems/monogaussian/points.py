"""The points of an avatar: where they begin, and which go on after an epoch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.errors import InputError
from hgm.train.growth import NEW, carried

START_RADIUS = 0.5  # of the sphere on which the first points are


def sphere(count: int, center: Tensor, generator: torch.Generator) -> Tensor:
    """The first points [count, 3], head units: of a cube, brought to a sphere around the head's
    center [3], so that they are denser towards the cube's corners (release)."""
    cube = 2 * torch.rand(count, 3, generator=generator) - 1
    return center + START_RADIUS * F.normalize(cube, dim=-1).to(center)


def survivors(best: Tensor, least: float, epoch: int) -> Tensor:
    """The points [K] whose best opacity [N] in an epoch reached `least`. Raises InputError where
    none did."""
    kept = (best >= least).nonzero()[:, 0]
    if not len(kept):
        raise InputError(
            f"avatar: after epoch {epoch} of the training all {len(best)} points are transparent "
            f"(the best opacity is {float(best.max()):.3g}, avatar.least_opacity {least:g}); "
            "lower avatar.least_opacity or avatar.lr"
        )
    return kept


def refilled(
    points: Tensor, kept: Tensor, count: int, spread: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The kept points [K] of all [N, 3], and copies of random ones of them up to `count`, each
    moved within a cube of width `spread` around it (release): points [count, 3], and the old row of
    each [count], NEW for a copy. More than `count` stay as many as they are."""
    copies = max(count - len(kept), 0)
    device = points.device
    sources = kept[torch.randint(len(kept), (copies,), generator=generator).to(device)]
    moves = spread * (torch.rand(copies, 3, generator=generator) - 0.5).to(points)
    rows = torch.cat([kept, kept.new_full((copies,), NEW)])
    born = torch.cat([points[kept], points[sources] + moves])
    return carried(points, rows, born), rows
