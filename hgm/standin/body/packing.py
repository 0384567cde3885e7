"""Smooth arrays as small byte planes: differences of integers along the last axis, low bytes apart
from high bytes."""

from __future__ import annotations

import numpy as np

MICROMETRES = 1e6  # steps per meter; lengths are kept to this grid, exactly


def pack(values: np.ndarray) -> np.ndarray:
    """Integers [..., n] -> uint8 [bytes, ..., n] that compress well; `unpack` gives them back
    exactly."""
    steps = np.diff(values.astype(np.int64), axis=-1, prepend=0)
    zigzag = (steps << 1) ^ (steps >> 63)  # small magnitudes of either sign become small numbers
    planes = max(1, (int(zigzag.max(initial=0)).bit_length() + 7) // 8)
    return np.stack([(zigzag >> (8 * i)) & 255 for i in range(planes)]).astype(np.uint8)


def unpack(planes: np.ndarray) -> np.ndarray:
    """The int64 [..., n] of `pack`."""
    zigzag = sum(plane.astype(np.int64) << (8 * i) for i, plane in enumerate(planes))
    return np.cumsum((zigzag >> 1) ^ -(zigzag & 1), axis=-1)


def to_grid(meters: np.ndarray) -> np.ndarray:
    """Lengths in meters -> whole micrometers, int64."""
    return np.rint(np.asarray(meters, np.float64) * MICROMETRES).astype(np.int64)


def from_grid(steps: np.ndarray) -> np.ndarray:
    """Whole micrometers -> float32 meters."""
    return (steps / MICROMETRES).astype(np.float32)
