"""Silhouettes of surfaces as seen from a few sides, and how much of two of them is shared.

A surface is drawn as many points spread over it by area: at this size every pixel that it covers
gets dozens.
"""

from __future__ import annotations

import numpy as np
import torch

from hgm.cameras import Cameras

SIZE = 128  # longer edge of a silhouette in pixels: a pixel is 2 cm of a person


def small(cameras: Cameras) -> Cameras:
    """The same cameras with images whose longer edge is SIZE pixels, in float64."""
    factor = SIZE / max(cameras.width, cameras.height)
    return cameras.to(torch.float64).resized(
        round(cameras.width * factor), round(cameras.height * factor)
    )


def silhouettes(points: np.ndarray, cameras: Cameras) -> np.ndarray:
    """The pixels [V, H, W] bool that points [N, 3] of a surface, in the world, cover in the images
    of cameras [V]."""
    out = np.zeros((len(cameras), cameras.height, cameras.width), bool)
    pixels, depth = cameras.project(
        torch.from_numpy(points).to(cameras.K).expand(len(cameras), -1, 3)
    )
    for image, at, z in zip(out, pixels.floor().long().numpy(), depth.numpy(), strict=True):
        inside = ((at >= 0) & (at < (cameras.width, cameras.height))).all(1) & (z > 0)
        image[at[inside, 1], at[inside, 0]] = True
    return out


def shared(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of silhouettes [V, H, W], the mean of the views; 0 where both are
    empty."""
    both = (a & b).sum((1, 2))
    either = (a | b).sum((1, 2))
    return float((both / np.maximum(either, 1)).mean())


def outside(a: np.ndarray, b: np.ndarray) -> float:
    """The share of the silhouettes a [V, H, W] that b does not cover, over all views; 1 where a is
    empty."""
    return float((a & ~b).sum() / a.sum()) if a.any() else 1.0
