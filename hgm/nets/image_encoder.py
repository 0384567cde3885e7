"""A ResNet-34-like image encoder with two decoder levels, a quarter of the input's size (paper
section 3.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, kernel, stride, kernel // 2, bias=bias, padding_mode="reflect"
    )


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with instance norm beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(inputs, outputs, 3, stride),
            _norm(outputs),
            nn.ReLU(),
            _conv(outputs, outputs, 3),
            _norm(outputs),
        )
        self.shortcut: Callable[[Tensor], Tensor] = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class ImageEncoder(nn.Module):
    """x [B, Cin, H, W] -> features [B, Cout, H/4, W/4]: stride-2 stem and stages, then back up to
    the first stage."""

    def __init__(
        self, inputs: int, outputs: int, stem: int, stages: tuple[tuple[int, int], ...]
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(inputs, stem, 7, 2), _norm(stem), nn.ReLU())
        widths = [stem, *(width for width, _ in stages)]
        self.stages = nn.ModuleList(
            nn.Sequential(
                BasicBlock(widths[i], width, 2),
                *(BasicBlock(width, width, 1) for _ in range(blocks - 1)),
            )
            for i, (width, blocks) in enumerate(stages)
        )
        self.ups = nn.ModuleList()
        self.joins = nn.ModuleList()
        below = widths[-1]
        for level in reversed(range(len(stages) - 1)):
            wide = widths[level + 1]  # of the skip connection too
            last = outputs if level == 0 else wide
            self.ups.append(_up(below, wide))
            self.joins.append(_up(2 * wide, last))
            below = last
        self.out = nn.Conv2d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.ups, self.joins, strict=True):
            # a stride-2 convolution's output o sits on input 2 o, hence aligned corners
            x = up(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True))
            x = join(torch.cat([x, skips.pop()], 1))
        return self.out(x)


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, 3, bias=True), _norm(outputs), nn.ELU())
