"""What the released code does and its description does not: kept as switches. See
docs/deviations-posegaussian.md."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

UNUSED = 2  # recurrent units that are made and never run


def drawn_projection(x: Tensor, outputs: int, *, repeatable: bool) -> Tensor:
    """A 1x1 convolution of x [B, C, H, W] to `outputs` channels with weights drawn as torch draws
    those of a new layer: from torch's generator, or `repeatable`, the same at each call."""
    bound = x.shape[1] ** -0.5
    generator = torch.Generator().manual_seed(0) if repeatable else None
    weights = torch.rand(outputs, x.shape[1] + 1, generator=generator)
    weights = ((2 * weights - 1) * bound).to(x)
    return F.conv2d(x, weights[:, :-1, None, None], weights[:, -1])
