"""Rotation matrices and vectors against scipy's."""

import numpy as np
from scipy.spatial.transform import Rotation

from hgm.geometry.rotations import rotation_matrices, rotation_matrix, rotation_vector


def test_rotations_agree_with_scipy() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    matrices = rotation_matrices(vectors)
    np.testing.assert_allclose(matrices, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rotation_matrix(vectors[0]), matrices[0], atol=1e-12)
    assert np.array_equal(rotation_matrix(np.zeros(3)), np.eye(3))
    np.testing.assert_allclose(
        rotation_vector(matrices[0]), Rotation.from_matrix(matrices[0]).as_rotvec(), atol=1e-9
    )
    assert np.array_equal(rotation_vector(np.eye(3)), np.zeros(3))
