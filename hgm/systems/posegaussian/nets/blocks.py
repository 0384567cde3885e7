"""The residual block of which encoders and decoder are made."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 8  # channels that are normalized together


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as a product of matrices: torch's own, on one thread of a CPU, leaves the
    memory format that the other convolutions are fast in."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.movedim(1, -1), self.weight[:, :, 0, 0], self.bias).movedim(-1, 1)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, x [B, a, H, W] -> [B, b, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.norm1 = nn.GroupNorm(outputs // GROUP, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm2 = nn.GroupNorm(outputs // GROUP, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            joint = (
                Pointwise(inputs, outputs) if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)
            )
            self.shortcut = nn.Sequential(joint, nn.GroupNorm(outputs // GROUP, outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        return F.relu(self.shortcut(x) + y)
