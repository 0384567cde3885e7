"""The person as a view shows it: a point for each pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hgm.systems.posegaussian.batches import FARTHEST, StereoBatch


class Surface(NamedTuple):
    """The N pixels of a view that show the person, row by row."""

    points: Tensor  # [N, 3] in the world, meters
    depths: Tensor  # [N] planar, in the rectified camera
    colors: Tensor  # [N, 3] of the person alone: the picture's, divided by the coverage
    rows: Tensor  # [N]
    columns: Tensor  # [N]

    @classmethod
    def of(cls, batch: StereoBatch, inverse_depth: Tensor, view: int) -> Surface:
        """Of a view of 2B, whose inverse depths [2B, 1, S, S] have 1/m; gradients flow to them."""
        q = inverse_depth[view, 0]
        rows, columns = (q > FARTHEST).nonzero(as_tuple=True)
        depths = 1 / q[rows, columns]
        pixels = torch.stack([columns + 0.5, rows + 0.5, torch.ones_like(depths)], -1)
        camera = batch.cameras[view]
        seen = pixels @ torch.linalg.inv(camera.K).mT * depths[:, None]
        rotation, shift = camera.world_to_camera[:3].split([3, 1], -1)
        coverage = batch.masks[view, 0, rows, columns]
        colors = batch.images[view, :, rows, columns] / coverage.clamp(min=1 / 255)
        return cls((seen - shift[:, 0]) @ rotation, depths, colors.mT, rows, columns)

    def at(self, values: Tensor) -> Tensor:
        """What a map [C, S, S] of the view has at these pixels: [N, C]."""
        return values[:, self.rows, self.columns].mT
