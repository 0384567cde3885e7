"""A small U-Net that reads a normal map from a picture and the body in it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.nets.unet import UNet
from hgm.nets.widths import UNetWidths


class NormalNet(nn.Module):
    """Picture and body normals [B, 6, H, W] -> unit normals [B, 3, H, W] in camera axes."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        flags = (False,) * len(channels)
        widths = UNetWidths(
            down=channels,
            down_attention=flags,
            up=channels[::-1],
            up_attention=flags,
            mid_attention=False,
            layers=1,
            heads=1,
            groups=min(8, channels[0]),
        )
        self.unet = UNet(2, 6, 3, widths)

    def forward(self, rgb: Tensor, body: Tensor) -> Tensor:
        """rgb [B, 3, H, W] in [0, 1] over white, body [B, 3, H, W] normals of the body, zero
        outside it."""
        return F.normalize(self.unet(torch.cat([rgb * 2 - 1, body], 1))[0] + body, dim=1, eps=1e-6)
