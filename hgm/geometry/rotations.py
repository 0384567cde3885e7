"""Rotation matrices and rotation vectors, in numpy.

A rotation vector points along the axis of a rotation; its length is the angle in radians, counted
counterclockwise seen against the axis.
"""

from __future__ import annotations

import numpy as np


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """Rotation vector [3] -> rotation matrix [3, 3] float64."""
    return _rodrigues(np.asarray(vector, np.float64), np.linalg.norm(vector))


def rotation_matrices(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors [..., 3] -> rotation matrices [..., 3, 3] float64."""
    return _rodrigues(np.asarray(vectors, np.float64), np.linalg.norm(vectors, axis=-1))


def _rodrigues(vectors: np.ndarray, angle: np.ndarray | np.floating) -> np.ndarray:
    """Matrices [..., 3, 3] of rotation vectors [..., 3] and their lengths [...], by Rodrigues'
    formula."""
    angle = np.asarray(angle)[..., None]
    x, y, z = np.moveaxis(vectors / np.maximum(angle, 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vectors.shape[:-1], 3, 3)
    angle = angle[..., None]
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] -> rotation vector [3], for angles below pi."""
    angle = np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))
    skew = matrix - matrix.T
    axis = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
    length = np.linalg.norm(axis)
    return axis / length * angle if length > 1e-9 else np.zeros(3)
