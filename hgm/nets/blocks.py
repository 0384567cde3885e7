"""Residual, down, middle and up blocks of an LGM-like U-Net, over images (2-D) or over a sequence
of Gaussians (1-D).

Attribute names follow the published LGM checkpoints, so that their U-Net loads by name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.nets.attention import SKIP_SCALE, ViewAttention
from hgm.nets.widths import UNetWidths


def convolution(
    dims: int, inputs: int, outputs: int, kernel: int = 3, stride: int = 1
) -> nn.Conv1d | nn.Conv2d:
    """nn.Conv1d or nn.Conv2d that keeps the size at stride 1."""
    if dims == 1:
        return nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2)
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class ResidualBlock(nn.Module):
    """Two normalized 3-convolutions beside a shortcut, x [B, Cin, ...] -> [B, Cout, ...]."""

    def __init__(self, dims: int, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=1e-5)
        self.conv1 = convolution(dims, inputs, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=1e-5)
        self.conv2 = convolution(dims, outputs, outputs)
        self.shortcut = (
            nn.Identity() if inputs == outputs else convolution(dims, inputs, outputs, kernel=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return (y + self.shortcut(x)) * SKIP_SCALE


class Block(nn.Module):
    """What the three kinds of block share: `layers` residual layers, each with its attention or
    none."""

    def __init__(
        self,
        dims: int,
        channels: list[tuple[int, int]],
        attention: int,
        widths: UNetWidths,
        legacy: bool,
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            ResidualBlock(dims, cin, cout, widths.groups) for cin, cout in channels
        )
        last = channels[-1][1]
        self.attns = nn.ModuleList(
            ViewAttention(last, widths.heads, widths.groups, legacy) for _ in range(attention)
        )

    def attend(self, layer: int, x: Tensor, views: int) -> Tensor:
        return self.attns[layer](x, views) if len(self.attns) else x


class DownBlock(Block):
    """Returns the output and every skip connection; halves the size where `downsample`."""

    def __init__(
        self,
        dims: int,
        inputs: int,
        outputs: int,
        attention: bool,
        downsample: bool,
        widths: UNetWidths,
        legacy: bool,
    ) -> None:
        channels = [(inputs if i == 0 else outputs, outputs) for i in range(widths.layers)]
        super().__init__(dims, channels, widths.layers * attention, widths, legacy)
        self.downsample = convolution(dims, outputs, outputs, stride=2) if downsample else None

    def forward(self, x: Tensor, views: int) -> tuple[Tensor, list[Tensor]]:
        skips = []
        for layer, net in enumerate(self.nets):
            x = self.attend(layer, net(x), views)
            skips.append(x)
        if self.downsample is not None:
            x = self.downsample(x)
            skips.append(x)
        return x, skips


class MidBlock(Block):
    """Residual layer, then attention and a second residual layer."""

    def __init__(
        self, dims: int, channels: int, attention: bool, widths: UNetWidths, legacy: bool
    ) -> None:
        super().__init__(dims, [(channels, channels)] * 2, int(attention), widths, legacy)

    def forward(self, x: Tensor, views: int) -> Tensor:
        return self.nets[1](self.attend(0, self.nets[0](x), views))


class UpBlock(Block):
    """One layer more than a down block, each fed with a skip connection; doubles the size where
    `upsample`.

    The skips come from one down block (`skip` channels), the last of them from what entered it
    (`last_skip`).
    """

    def __init__(
        self,
        dims: int,
        inputs: int,
        skip: int,
        last_skip: int,
        outputs: int,
        attention: bool,
        upsample: bool,
        widths: UNetWidths,
        legacy: bool,
    ) -> None:
        layers = widths.layers + 1
        channels = [
            ((inputs if i == 0 else outputs) + (last_skip if i == layers - 1 else skip), outputs)
            for i in range(layers)
        ]
        super().__init__(dims, channels, layers * attention, widths, legacy)
        self.upsample = convolution(dims, outputs, outputs) if upsample else None

    def forward(self, x: Tensor, skips: list[Tensor], views: int) -> Tensor:
        for layer, net in enumerate(self.nets):
            x = self.attend(layer, net(torch.cat([x, skips[-1 - layer]], 1)), views)
        if self.upsample is not None:
            x = self.upsample(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x
