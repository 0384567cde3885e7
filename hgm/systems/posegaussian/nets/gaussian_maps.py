"""Maps of Gaussians: how each pixel's Gaussian is turned, how large and how opaque it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.systems.posegaussian.nets.blocks import Pointwise, Residual
from hgm.systems.posegaussian.nets.encoders import Encoder
from hgm.systems.posegaussian.widths import Widths

PARTS = (4, 3, 1)  # channels of rotation, scale and opacity
SHARPNESS = 100.0  # of the softplus of a scale


class GaussianMaps(nn.Module):
    """Pictures [B, 3, S, S], inverse depth [B, 1, S, S] and the pictures' features, finest first ->
    raw rotations [B, 4, S, S], scales [B, 3, S, S] and opacities [B, 1, S, S].

    even: all scales begin equal, where gradients move them; else wherever they are drawn, mostly
    past their limit, as released."""

    def __init__(self, widths: Widths, *, even: bool = True) -> None:
        super().__init__()
        self.depth = Encoder(1, widths.image[0], widths.image)
        coarser = (0, *widths.decoder)
        self.decoder = nn.ModuleList(
            nn.Sequential(Residual(2 * seen + coarser[k], width), Residual(width, width))
            for k, (seen, width) in enumerate(
                zip(reversed(widths.image), widths.decoder, strict=True)
            )
        )
        self.out = nn.Conv2d(widths.decoder[-1] + 4, widths.head, 3, 1, 1)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(widths.head, widths.head, 3, 1, 1),
                nn.ReLU(),
                Pointwise(widths.head, channels),
            )
            for channels in PARTS
        )
        if even:
            *_, last = self.heads[PARTS.index(3)].modules()
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, images: Tensor, inverse_depth: Tensor, features: Sequence[Tensor]
    ) -> list[Tensor]:
        found = self.depth(inverse_depth)
        coarser: list[Tensor] = []
        for level, seen, shape in zip(
            self.decoder, reversed(features), reversed(found), strict=True
        ):
            x = level(torch.cat([seen, shape, *coarser], 1))
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            coarser = [x]
        x = F.relu(self.out(torch.cat([*coarser, images, inverse_depth], 1)))
        return [head(x) for head in self.heads]
