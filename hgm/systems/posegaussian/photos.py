"""The two photos of a pair as they were taken, before their rows correspond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hgm.errors import InputError

PERSON = 128  # a mask from here on is the person


@dataclass(frozen=True)
class Photos:
    """Both photos of a pair in any order. Lengths are meters; pixel centers are at +0.5."""

    name: str  # or path, for messages
    images: np.ndarray  # uint8 [2, S, S, 3], sRGB over black
    masks: np.ndarray  # uint8 [2, S, S], coverage
    K: np.ndarray  # float64 [2, 3, 3]
    world_to_camera: np.ndarray  # float64 [2, 4, 4]
    heat: np.ndarray | None = None  # uint8 [2, S, S, C]
    inverse_depth: np.ndarray | None = None  # [2, S, S] in 1/m, planar; 0 where nothing was hit

    @property
    def size(self) -> int:
        return int(self.images.shape[1])


def stacked(arrays: Sequence[np.ndarray], files: Sequence[object], what: str) -> np.ndarray:
    """Both views of something as one array. Raises InputError where their sizes differ."""
    sizes = [array.shape[:2] for array in arrays]
    if sizes[0] != sizes[1]:
        (h0, w0), (h1, w1) = sizes
        raise InputError(
            f"{files[1]}: the {what} is {w1} x {h1} pixels, that of the other view {w0} x {h0}; "
            "expected two of one size"
        )
    return np.stack(arrays)
