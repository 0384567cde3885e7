"""The pixels of a pair as round Gaussians at their depth: what depth alone can show."""

from __future__ import annotations

from torch import Tensor

from hgm.gaussians import Gaussians
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.surface import Surface

# the best of those tried with the true depth of stand-ins, at 64 and at 192 pixels
WIDTH = 0.45  # deviation of a point's Gaussian, in widths of a pixel at its depth
OPACITY = 0.95  # of a pixel that the person fills; at the edge as much less as the person covers


def points_of(batch: StereoBatch, inverse_depth: Tensor) -> list[Gaussians]:
    """The points [N] of each of B pairs, from both of its views, by inverse depths [2B, 1, S, S]
    in 1/m, 0 outside of the person."""
    pairs = len(inverse_depth) // 2
    return [
        Gaussians.cat([_points_of(batch, inverse_depth, view) for view in (i, i + pairs)])
        for i in range(pairs)
    ]


def _points_of(batch: StereoBatch, inverse_depth: Tensor, view: int) -> Gaussians:
    surface = Surface.of(batch, inverse_depth, view)
    count = len(surface.depths)
    coverage = surface.at(batch.masks[view])[:, 0]
    deviations = WIDTH * surface.depths / batch.cameras.K[view, 0, 0]
    return Gaussians(
        surface.points,
        OPACITY * coverage,
        deviations[:, None].expand(count, 3),
        surface.depths.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(count, 4),
        surface.colors,
    )
