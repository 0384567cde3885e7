"""Smooth steps and value noise, the two brushes that garments and textures are made with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
from scipy.ndimage import gaussian_filter

CELLS = 48


def ramp(x: np.ndarray, start: float, end: float) -> np.ndarray:
    """Smoothstep: 0 where x is at or before `start`, 1 at or after `end`; `end` may be the smaller
    one."""
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


@numba.njit(cache=True)
def _lookup(  # pragma: no cover - compiled
    volume: np.ndarray, points: np.ndarray, frequency: np.ndarray, offset: float, out: np.ndarray
) -> None:
    cells = volume.shape[0]
    for i in range(points.shape[0]):
        x = points[i, 0] * frequency[0] + offset
        y = points[i, 1] * frequency[1] + offset
        z = points[i, 2] * frequency[2] + offset
        fx = math.floor(x)
        fy = math.floor(y)
        fz = math.floor(z)
        tx = x - fx
        ty = y - fy
        tz = z - fz
        x0 = int(fx) % cells
        y0 = int(fy) % cells
        z0 = int(fz) % cells
        x1 = (x0 + 1) % cells
        y1 = (y0 + 1) % cells
        z1 = (z0 + 1) % cells
        a = volume[x0, y0, z0] * (1 - tz) + volume[x0, y0, z1] * tz
        b = volume[x0, y1, z0] * (1 - tz) + volume[x0, y1, z1] * tz
        c = volume[x1, y0, z0] * (1 - tz) + volume[x1, y0, z1] * tz
        d = volume[x1, y1, z0] * (1 - tz) + volume[x1, y1, z1] * tz
        out[i] = (a * (1 - ty) + b * ty) * (1 - tx) + (c * (1 - ty) + d * ty) * tx


class ValueNoise:
    """Trilinear value noise of unit variance at the grid points, periodic after 48 cells."""

    def __init__(self, seed: int) -> None:
        grid = np.random.default_rng(seed).normal(size=(CELLS,) * 3).astype(np.float32)
        grid = gaussian_filter(grid, 0.6, mode="wrap")
        self.volume = np.ascontiguousarray(grid / grid.std())

    def __call__(
        self, points: np.ndarray, frequency: float | Sequence[float], offset: float = 0.0
    ) -> np.ndarray:
        """Noise at `points` [N,3] with `frequency` cells a unit (one number or one for each axis);
        [N] float32."""
        scale = np.broadcast_to(np.asarray(frequency, np.float64), 3).copy()
        out = np.empty(len(points), np.float32)
        _lookup(self.volume, np.ascontiguousarray(points), scale, float(offset), out)
        return out

    def octaves(
        self,
        points: np.ndarray,
        frequency: float | Sequence[float],
        count: int = 3,
        offset: float = 0.0,
    ) -> np.ndarray:
        """Sum of `count` octaves, each of twice the frequency and half the height of the one
        before; [N]."""
        base = np.broadcast_to(np.asarray(frequency, np.float64), 3)
        total = self(points, base.tolist(), offset)
        for k in range(1, count):
            total = total + self(points, (base * 2**k).tolist(), offset + 7.3 * k) * np.float32(
                0.5**k
            )
        return total
