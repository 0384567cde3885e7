"""How alike each pixel of a view is to the pixels of the same row in the other view."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4
RADIUS = 4  # pixels to both sides of a place, at each level


class RowCorrelation:
    """All products of features in a row, at four resolutions along it (RAFT-Stereo, Lipson et al.
    2021, section 3.2). Computed in float32.

    features [2B, C, h, w]: those of the left views, then those of the right ones, whose products
    are the same with rows and columns exchanged.
    """

    SAMPLES = LEVELS * (2 * RADIUS + 1)

    def __init__(self, features: Tensor) -> None:
        left, right = features.float().chunk(2)
        with torch.autocast(features.device.type, enabled=False):
            products = torch.einsum("bchi,bchj->bhij", left, right) / features.shape[1] ** 0.5
        level = torch.cat([products, products.mT])  # [2B, h, w, w]
        self.levels: list[Tensor] = []
        for _ in range(LEVELS):
            # a column of zeros on both sides: what lies outside
            self.levels.append(F.pad(level, (1, 1)))
            even = level[..., : level.shape[-1] // 2 * 2]
            level = even.unflatten(-1, (-1, 2)).mean(-1)

    def __call__(self, x: Tensor) -> Tensor:
        """Linear samples [2B, SAMPLES, h, w] around columns x [2B, 1, h, w] of the other view, 0 at
        the center of the first one; a sample outside of the row is 0. No gradient to x."""
        steps = torch.arange(-RADIUS, RADIUS + 2, device=x.device)
        samples = []
        for k, level in enumerate(self.levels):
            place = x.detach()[:, 0, ..., None].float() / 2**k  # [2B, h, w, 1]
            first = place.floor()
            width = level.shape[-1] - 2
            columns = (first.long() + steps).clamp(-1, width) + 1
            values = level.gather(-1, columns)
            samples.append(torch.lerp(values[..., :-1], values[..., 1:], place - first))
        return torch.cat(samples, -1).movedim(-1, 1)
