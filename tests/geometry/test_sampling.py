"""Points that are spread over a surface by its area."""

import numpy as np
import pytest
import trimesh

from hgm.errors import InputError
from hgm.geometry.sampling import random_points, spread_points


def test_random_points_are_even_and_seeded() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [8, 0, 0], [5, 1, 0]], float)
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    points, normals = random_points(vertices, faces, 40_000, np.random.default_rng(3))
    assert (points[:, 0] > 2).mean() == pytest.approx(0.75, abs=0.01)
    assert points[points[:, 0] < 2].mean(0) == pytest.approx([1 / 3, 1 / 3, 0], abs=0.01)
    assert np.abs(normals).max(0) == pytest.approx([0, 0, 1])
    again, _ = random_points(vertices, faces, 40_000, np.random.default_rng(3))
    assert np.array_equal(points, again)


def test_a_surface_without_area_is_refused() -> None:
    with pytest.raises(InputError, match="no area"):
        random_points(np.zeros((3, 3)), np.array([[0, 1, 2]]), 10, np.random.default_rng(0))


def test_spread_points_are_even_and_seeded() -> None:
    mesh = trimesh.creation.capsule(height=1.2, radius=0.3)
    points = spread_points(mesh.vertices, mesh.faces, 20_000)
    corners = mesh.vertices[mesh.faces]
    areas = (
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        )
        / 2
    )
    centroid = (areas[:, None] * corners.mean(1)).sum(0) / areas.sum()
    np.testing.assert_allclose(points.mean(0), centroid, atol=2e-3)
    np.testing.assert_array_equal(points, spread_points(mesh.vertices, mesh.faces, 20_000))
