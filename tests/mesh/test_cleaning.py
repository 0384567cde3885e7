"""Cleaning: scraps go, the body stays, noise is smoothed."""

import numpy as np
import pytest
import trimesh

from hgm.errors import InputError
from hgm.mesh.conversion import with_colors
from hgm.mesh.extraction import clean


def scene() -> trimesh.Trimesh:
    """A body of 1280 faces, a floating scrap of 80 and a vertex of no face."""
    body = trimesh.creation.icosphere(3, 0.5)
    scrap = trimesh.creation.icosphere(1, 0.05)
    vertices = np.concatenate(
        [body.vertices, scrap.vertices + np.array([0.8, 0, 0]), [[5.0, 5.0, 5.0]]]
    )
    colors = np.tile(np.array([0, 255, 0], np.uint8), (len(vertices), 1))
    colors[: len(body.vertices)] = [200, 10, 10]
    return with_colors(
        vertices, np.concatenate([body.faces, scrap.faces + len(body.vertices)]), colors
    )


def test_a_floating_scrap_is_dropped() -> None:
    mesh = clean(scene(), min_triangles=200, smoothing=0)
    assert len(mesh.faces) == 1280 and mesh.body_count == 1 and mesh.is_watertight
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(0.5)
    assert (np.asarray(mesh.visual.vertex_colors)[:, :3] == [200, 10, 10]).all()


def test_a_large_enough_piece_is_kept() -> None:
    assert clean(scene(), min_triangles=80, smoothing=0).body_count == 2


def test_smoothing_takes_noise_away() -> None:
    mesh = scene()
    noisy = mesh.vertices + np.random.default_rng(0).normal(size=mesh.vertices.shape) * 0.01
    smooth = clean(with_colors(noisy, mesh.faces), min_triangles=200, smoothing=2)
    spread = [
        np.linalg.norm(v, axis=1).std() for v in (noisy[: len(smooth.vertices)], smooth.vertices)
    ]
    assert spread[1] < 0.5 * spread[0]


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(InputError, match="min_triangles"):
        clean(scene(), min_triangles=2000, smoothing=0)
