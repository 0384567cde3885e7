"""Meshes, Loop subdivision and clipping against geometry that can be worked out by hand."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from hgm.geometry.normals import face_normals, vertex_normals
from hgm.standin.mesh.clipping import clip
from hgm.standin.mesh.subdivision import icosphere, subdivide
from hgm.standin.mesh.triangles import (
    is_closed,
    neighbor_average,
    relaxed,
    rim_edges,
    rim_loops,
    sheet_with_back,
    signed_volume,
)


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat unit square of side x side cells: vertices [V,3], faces [F,3]."""
    ticks = np.linspace(0, 1, side + 1)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    index = np.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    a = index[:-1, :-1].ravel()
    b = index[1:, :-1].ravel()
    c = index[1:, 1:].ravel()
    d = index[:-1, 1:].ravel()
    return np.stack([x, y, 0 * x], -1).reshape(-1, 3), np.concatenate(
        [np.c_[a, b, c], np.c_[a, c, d]]
    )


def area(vertices: np.ndarray, faces: np.ndarray) -> float:
    return float(0.5 * np.linalg.norm(face_normals(vertices, faces), axis=1).sum())


def test_icosphere_is_a_closed_sphere_that_looks_outwards() -> None:
    vertices, faces = icosphere(3)
    assert len(faces) == 20 * 4**3
    assert is_closed(faces)
    assert trimesh.Trimesh(vertices, faces, process=False).is_watertight
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * np.pi, rel=0.01)
    assert (vertex_normals(vertices, faces) * vertices).sum(1).min() > 0.999


def test_loop_keeps_a_closed_mesh_closed_and_its_rows_sum_to_one() -> None:
    vertices, faces = icosphere(1)
    fine = subdivide(faces, len(vertices), np.zeros((len(faces), 3, 2)))
    assert is_closed(fine.faces) and len(fine.faces) == 4 * len(faces)
    np.testing.assert_allclose(np.asarray(fine.matrix.sum(1)).ravel(), 1, atol=1e-12)
    assert fine.matrix.shape[0] == fine.faces.max() + 1


def test_loop_agrees_with_trimesh_on_a_closed_mesh() -> None:
    vertices, faces = icosphere(1)
    vertices = vertices * [1.0, 2.0, 0.5]
    fine = subdivide(faces, len(vertices), np.zeros((len(faces), 3, 2)))
    expected, _ = trimesh.remesh.subdivide_loop(vertices, faces, iterations=1)
    distance, partner = cKDTree(expected).query(fine.matrix @ vertices)
    assert len(np.unique(partner)) == len(expected) == fine.matrix.shape[0]
    # at the 12 corners of valence 5 Warren's weights differ a little from Loop's own, which trimesh
    # takes
    assert (distance > 1e-9).sum() == 12 and distance.max() < 0.02


def test_loop_reproduces_a_flat_sheet_and_splits_uvs_linearly() -> None:
    vertices, faces = grid(4)
    uvs = vertices[faces][..., :2]
    fine = subdivide(faces, len(vertices), uvs)
    moved = fine.matrix @ vertices
    assert np.abs(moved[:, 2]).max() == 0
    assert len(rim_edges(fine.faces)) == 2 * len(rim_edges(faces))
    assert (face_normals(moved, fine.faces)[:, 2] > 0).all()
    corners = fine.uvs
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert 0.5 * cross.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("slope", [(1.0, 0.0), (0.6, 0.8), (-0.3, 1.0)])
def test_clip_keeps_exactly_the_area_on_the_positive_side(slope: tuple[float, float]) -> None:
    vertices, faces = grid(7)
    uvs = vertices[faces][..., :2]
    level = vertices[:, :2] @ slope - 0.37
    cut = clip(faces, uvs, level)
    kept = cut.at(vertices)
    # the exact area by a fine sum over columns of the square
    x = (np.arange(200_000) + 0.5) / 200_000
    bound = (
        np.clip((0.37 - slope[0] * x) / slope[1], 0, 1)
        if slope[1]
        else (slope[0] * x < 0.37).astype(float)
    )
    assert area(kept, cut.faces) == pytest.approx(1 - bound.mean(), abs=1e-4)
    assert cut.at(level).min() > -1e-9
    assert (face_normals(kept, cut.faces)[:, 2] > 0).all()
    # corner uvs were cut along with the positions, to which they are equal here
    np.testing.assert_allclose(cut.uvs, kept[cut.faces][..., :2], atol=1e-9)


def test_clip_of_a_sphere_leaves_one_rim_on_the_zero_line() -> None:
    vertices, faces = icosphere(3)
    level = vertices[:, 1] - 0.2345
    cut = clip(faces, np.zeros((len(faces), 3, 2)), level)
    loops = rim_loops(cut.faces)
    assert len(loops) == 1
    assert np.abs(cut.at(level)[loops[0]]).max() < 3e-4


def test_clip_everything_and_nothing() -> None:
    vertices, faces = grid(2)
    uvs = np.zeros((len(faces), 3, 2))
    assert len(clip(faces, uvs, np.ones(len(vertices))).faces) == len(faces)
    assert len(clip(faces, uvs, -np.ones(len(vertices))).faces) == 0


def test_crumbs_go_and_the_large_island_stays() -> None:
    vertices, faces = grid(20)
    # keep the right half and a crumb in the far corner
    level = np.maximum(vertices[:, 0] - 0.5, 0.06 - vertices[:, 0] - vertices[:, 1])
    cut = clip(faces, np.zeros((len(faces), 3, 2)), level)
    cleaned = cut.without_crumbs()
    assert cut.at(vertices)[:, 0].min() < 0.1
    assert cleaned.at(vertices)[:, 0].min() > 0.49
    assert area(cleaned.at(vertices), cleaned.faces) == pytest.approx(0.5, abs=0.01)


def test_a_sheet_with_its_back_is_closed() -> None:
    vertices, faces = grid(5)
    solid, rim = sheet_with_back(faces, len(vertices))
    assert not is_closed(faces) and is_closed(solid)
    assert len(rim) == 20
    both = np.concatenate([vertices, vertices - [0, 0, 0.1]])
    assert signed_volume(both, solid) == pytest.approx(0.1)


def test_relaxing_draws_a_spike_in_and_keeps_the_mean_of_a_closed_regular_mesh() -> None:
    vertices, faces = icosphere(2)
    average = neighbor_average(faces, len(vertices))
    np.testing.assert_allclose(np.asarray(average.sum(1)).ravel(), 1)
    spiked = vertices.copy()
    spiked[0] *= 2
    before = np.linalg.norm(spiked[0])
    after = np.linalg.norm(relaxed(spiked, average, 3)[0])
    assert after < 0.7 * before
