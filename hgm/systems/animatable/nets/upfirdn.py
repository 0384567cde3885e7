"""The low-pass filter of StyleGAN 2 (Karras et al. 2020): before a picture is halved, and after it
is doubled.

It has the taps 1 3 3 1 in both directions; beyond a picture's edge is zero. What the literature
calls upfirdn, zeros between the pixels, then the filter, then every second pixel, is here in the
three forms that are needed, each one convolution of torch, channel by channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)


def blurred(x: Tensor, padding: int, *, gain: float = 1.0, bias: Tensor | None = None) -> Tensor:
    """x [B, C, H, W] filtered and multiplied with `gain`, then bias [C] added ->
    [B, C, H + 2 padding - 3, W + 2 padding - 3]."""
    return F.conv2d(x, _kernel(x, gain), bias, padding=padding, groups=x.shape[1])


def halved(x: Tensor) -> Tensor:
    """x [B, C, H, W] filtered, then every second pixel -> [B, C, H / 2, W / 2]."""
    return F.conv2d(x, _kernel(x), stride=2, padding=1, groups=x.shape[1])


def doubled(x: Tensor) -> Tensor:
    """x [B, C, H, W] with zeros between its pixels, filtered, so that what is even stays as it is
    -> [B, C, 2 H, 2 W]."""
    return F.conv_transpose2d(x, _kernel(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def _kernel(x: Tensor, gain: float = 1.0) -> Tensor:
    """The filter for each of x's channels, [C, 1, 4, 4]."""
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device)
    kernel = gain * torch.outer(taps, taps) / taps.sum() ** 2
    return kernel.expand(x.shape[1], 1, -1, -1)
