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


def weighted_target(flow: Tensor, valid: Tensor, heat: Tensor) -> tuple[Tensor, Tensor]:
    """The flow [2B, 1, S, S] that a training is given, and where it counts: both multiplied by the
    brightness, 0 to 255, of the heat maps, uint8 [2B, C, S, S], which have not been rectified. The
    product of validity and brightness is kept in a byte, past whose end it begins anew."""
    brightness = heat.float().mean(1, keepdim=True)
    level = (255 * brightness).long() % 256
    return torch.where(valid, flow * brightness, 0.0), valid & (level >= 0.5 * 255)
