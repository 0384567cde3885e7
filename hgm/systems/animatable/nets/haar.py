"""The Haar transform of pictures: four sub-bands of half the size, from which they come back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# what a sub-band weighs the upper left, upper right, lower left and lower right pixel of each
# square with; the matrix is its own inverse transposed
BANDS = (
    (0.5, 0.5, 0.5, 0.5),  # the mean
    (-0.5, 0.5, -0.5, 0.5),  # from left to right
    (-0.5, -0.5, 0.5, 0.5),  # from top to bottom
    (0.5, -0.5, -0.5, 0.5),  # both
)


def to_bands(x: Tensor) -> Tensor:
    """x [B, C, 2 H, 2 W] -> its sub-bands [B, 4 C, H, W], four for each channel."""
    channels = x.shape[1]
    return F.conv2d(x, _kernels(x, channels), stride=2, groups=channels)


def from_bands(bands: Tensor) -> Tensor:
    """The inverse of `to_bands`: sub-bands [B, 4 C, H, W] -> the picture [B, C, 2 H, 2 W]."""
    channels = bands.shape[1] // 4
    return F.conv_transpose2d(bands, _kernels(bands, channels), stride=2, groups=channels)


def _kernels(x: Tensor, channels: int) -> Tensor:
    """Of each channel its four, [4 C, 1, 2, 2]."""
    squares = torch.tensor(BANDS, dtype=x.dtype, device=x.device).view(4, 1, 2, 2)
    return squares.repeat(channels, 1, 1, 1)
