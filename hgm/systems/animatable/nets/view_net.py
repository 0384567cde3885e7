"""The network of the viewing direction: how a color depends on where it is seen from."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from hgm.systems.animatable.nets.layers import SLOPE
from hgm.systems.animatable.nets.levels import Levels


class ViewNet(nn.Module):
    """Maps of the cosine between normal and direction to the camera, one side's [B, 1, S, S] ->
    features [B, C, s, s] for the level `levels.view` of a StyleUNet."""

    def __init__(self, levels: Levels) -> None:
        super().__init__()
        width = levels.widths[levels.view]
        self.size = levels.sizes[levels.view]
        self.first = nn.Conv2d(1, width // 2, 4, 2, 1)
        self.second = nn.Conv2d(width // 2, width, 4, 2, 1)

    def forward(self, cosines: Tensor) -> Tensor:
        x = self.second(F.leaky_relu(self.first(cosines), SLOPE))
        size = (self.size, self.size)
        return F.interpolate(x, size, mode="bilinear", align_corners=False)
