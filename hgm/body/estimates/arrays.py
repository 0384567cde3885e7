"""What estimators write, checked and turned into the parameters of our body model. What is wrong
with a file is one line that names the file and the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hgm.errors import InputError

# of a rotation matrix times its transpose; what a network writes as float32 is off by under 1e-5
TOLERANCE = 1e-3


def numbers(
    data: Mapping[str, Any], key: str, path: object, *shapes: tuple[int | None, ...]
) -> np.ndarray:
    """The finite float64 array under `key`, of one of `shapes` up to leading dimensions of 1; None
    fits any length.

    Raises InputError for a key that is missing and for an array that is misshapen or not finite.
    """
    if key not in data:
        raise InputError(f"{path}: the key {key} is missing")
    try:
        array = np.asarray(data[key], np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {key} does not hold numbers") from None
    bare = array
    while not _fits(bare, shapes) and bare.ndim and bare.shape[0] == 1:
        bare = bare[0]
    if not _fits(bare, shapes):
        expected = " or ".join(map(str, shapes)).replace("None", "any")
        raise InputError(f"{path}: {key} is {array.shape}, expected {expected}")
    if not np.isfinite(bare).all():
        raise InputError(f"{path}: {key} holds numbers that are not finite")
    return bare


def _fits(array: np.ndarray, shapes: tuple[tuple[int | None, ...], ...]) -> bool:
    return any(
        array.ndim == len(shape)
        and all(e in (None, n) for e, n in zip(shape, array.shape, strict=True))
        for shape in shapes
    )


def as_vectors(matrices: np.ndarray, path: object, key: str) -> np.ndarray:
    """Rotation matrices [n, 3, 3] -> axis-angle [3 n] in radians. Raises InputError where one is no
    rotation."""
    from scipy.spatial.transform import Rotation

    product = matrices @ matrices.swapaxes(-1, -2)
    if np.abs(product - np.eye(3)).max() > TOLERANCE or (np.linalg.det(matrices) < 0).any():
        raise InputError(
            f"{path}: {key} holds matrices that are not rotations; the file is damaged or of "
            "another estimator"
        )
    return Rotation.from_matrix(matrices).as_rotvec().reshape(-1)
