"""Pictures at another size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize(images: Tensor, size: int) -> Tensor:
    """[..., C, H, W] -> [..., C, size, size]: area when it shrinks by a whole factor, else
    bilinear."""
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    flat = images.reshape(-1, *images.shape[-3:])
    if height % size == 0 and width % size == 0:
        flat = F.interpolate(flat, (size, size), mode="area")
    else:
        flat = F.interpolate(
            flat, (size, size), mode="bilinear", align_corners=False, antialias=size < height
        )
    return flat.reshape(*images.shape[:-2], size, size)
