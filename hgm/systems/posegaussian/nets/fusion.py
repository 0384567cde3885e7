"""What the heat maps of a person's joints add to the features of the pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.systems.posegaussian.nets.blocks import Pointwise
from hgm.systems.posegaussian.nets.encoders import Encoder
from hgm.systems.posegaussian.released import drawn_projection
from hgm.systems.posegaussian.widths import Widths

SMALLER = 4  # edge of a heat map over the edge at which it is encoded


class PoseFusion(nn.Module):
    """Features [B, C, h, w] of pictures and heat maps [B, K, S, S] -> features [B, C, h, w].

    `learned`: by a trained 1x1 convolution; otherwise by one that is drawn anew at each call, as
    released, past which no gradient goes.
    """

    def __init__(self, channels: int, widths: Widths, *, learned: bool) -> None:
        super().__init__()
        self.encoder = Encoder(channels, widths.pose[0] // 2, widths.pose)
        self.outputs = widths.image[-1]
        inputs = self.outputs + widths.pose[-1]
        self.projection = Pointwise(inputs, self.outputs) if learned else None

    def forward(self, features: Tensor, heat: Tensor) -> Tensor:
        size = [edge // SMALLER for edge in heat.shape[-2:]]
        smaller = F.interpolate(heat, size, mode="bilinear", align_corners=False)
        pose = F.interpolate(
            self.encoder(smaller)[-1], features.shape[-2:], mode="bilinear", align_corners=False
        )
        joined = torch.cat([features, pose], 1)
        if self.projection is not None:
            return self.projection(joined)
        with torch.no_grad():
            return drawn_projection(joined, self.outputs, repeatable=not self.training)
