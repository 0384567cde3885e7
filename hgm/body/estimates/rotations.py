"""Rotations of joints as estimators write them, as axis-angle vectors and as coefficients of a
hand."""

from __future__ import annotations

import numpy as np

from hgm.body.model import BodyModel
from hgm.errors import InputError

# on the product of a matrix with its transpose; float32 of a network is below 1e-5
TOLERANCE = 1e-3


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


def hand_coefficients(
    vectors: np.ndarray, model: BodyModel, side: int, *, flat: bool = True
) -> np.ndarray:
    """Axis-angle [45] of a hand (side 0 left, 1 right) -> the 45 coefficients that give exactly
    these rotations.

    `flat`: the vectors are the whole rotations, else what is added to the mean hand.
    """
    basis, mean = (x[side].double().cpu().numpy() for x in (model.hand_bases, model.hand_means))
    return np.linalg.solve(basis.T, vectors - mean if flat else vectors)
