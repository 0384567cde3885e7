"""Rectified pairs without a renderer: a textured slope before two cameras, whose flow is known."""

from __future__ import annotations

import numpy as np
import torch

from hgm.systems.posegaussian.dataset import NovelView
from hgm.systems.posegaussian.pair import RectifiedPair

BASELINE = 0.4  # meters


def slope(size: int = 64, seed: int = 0, *, channels: int = 3, skew: float = 3.0) -> RectifiedPair:
    """A pair of `size` pixels whose inverse depth is linear in the pixel, so that the flow of both
    views has a formula; the principal points of the views are `skew` pixels apart."""
    random = np.random.default_rng(seed)
    focal = 0.8 * size
    K = np.array([[[focal, 0, size / 2 + s], [0, focal, size / 2], [0, 0, 1.0]] for s in (0, skew)])
    w2c = np.stack([np.eye(4)] * 2)
    w2c[1, 0, 3] = -BASELINE
    shift = -focal * BASELINE
    y, x = np.mgrid[:size, :size] + 0.5
    a, b, c = 0.5 + 0.02 * random.random(), 0.05 * random.random(), 0.05 * random.random()
    # inverse depth is a + b u + c v in the left view; u and v are pixels over the focal length
    u = [(x - K[i, 0, 2]) / focal for i in (0, 1)]
    v = (y - size / 2) / focal
    left = a + b * u[0] + c * v
    # the same plane from the right: u_left = u_right + q * baseline
    right = (a + b * u[1] + c * v) / (1 - b * BASELINE)
    q = np.stack([left, right])
    offsets = np.array([skew, -skew])
    flow = offsets[:, None, None] + q * np.array([shift, -shift])[:, None, None]
    waves = random.uniform(5, 25, (3, 6, 2))
    phases = random.uniform(0, 6, (3, 6, 1, 1))
    across = np.stack([u[0], u[1] + right * BASELINE])  # of the left view, for both
    mask = np.zeros((2, size, size), np.uint8)
    mask[:, size // 8 : -size // 8, size // 4 : -size // 4] = 255
    paint = np.stack([
        sum(np.sin(w[0] * across + w[1] * v[None] + p) for w, p in zip(ws, ps, strict=True)) / 6
        for ws, ps in zip(waves, phases, strict=True)
    ], -1)  # fmt: skip
    images = (127 + 120 * paint) * (mask[..., None] > 0)
    valid = mask > 0
    heat = random.integers(0, 255, (2, size, size, channels), np.uint8) if channels else None
    return RectifiedPair(
        images.astype(np.uint8), mask, K, w2c, K, w2c, shift, heat,
        np.where(valid, flow, 0).astype(np.float16), valid,
    )  # fmt: skip


class Slopes:
    """Such pairs as a training reads them; a view between is a picture of one color."""

    def __init__(self, count: int, *, first: int = 0, size: int = 64) -> None:
        self.seeds = range(first, first + count)
        self.size = size

    def __len__(self) -> int:
        return len(self.seeds)

    def pair(self, index: int) -> RectifiedPair:
        return slope(self.size, self.seeds[index])

    def source_heat(self, index: int) -> np.ndarray:
        random = np.random.default_rng(self.seeds[index])
        return random.integers(0, 256, (2, self.size, self.size, 3), np.uint8)

    def novel(self, index: int, view: int) -> NovelView:
        camera = self.pair(index).cameras[:1].resized(2 * self.size)
        picture = torch.full((3, 2 * self.size, 2 * self.size), 0.2 * view)
        return NovelView(picture, camera, torch.ones_like(picture[:1]), 0.25 * (view - 1))
