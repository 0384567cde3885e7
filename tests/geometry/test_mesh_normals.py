"""Normals of a mesh in numpy and in torch."""

import numpy as np
import torch
import trimesh

from hgm.geometry.differentiable import centroids_and_normals, vertex_normals
from hgm.geometry.normals import face_normals
from hgm.geometry.normals import vertex_normals as vertex_normals_in_numpy


def test_both_agree_with_trimesh() -> None:
    mesh = trimesh.creation.annulus(0.5, 1.0, 0.3)
    vertices = np.asarray(mesh.vertices)
    faces = np.asarray(mesh.faces)
    normals = face_normals(vertices, faces)
    np.testing.assert_allclose(normals, 2 * mesh.area_faces[:, None] * mesh.face_normals, atol=1e-9)
    arrays = torch.from_numpy(vertices), torch.from_numpy(faces)
    centroids, same = centroids_and_normals(*arrays)
    np.testing.assert_allclose(centroids, mesh.triangles_center, atol=1e-12)
    np.testing.assert_allclose(same, normals, atol=1e-12)
    at_vertices = vertex_normals_in_numpy(vertices, faces)
    np.testing.assert_allclose(np.linalg.norm(at_vertices, axis=1), 1)
    np.testing.assert_allclose(vertex_normals(*arrays), at_vertices, atol=1e-9)


def test_a_vertex_without_a_face_has_no_normal() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [5, 5, 5]], float)
    assert vertex_normals_in_numpy(vertices, np.array([[0, 1, 2]])).tolist() == [
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 0],
    ]
