"""Normals of triangle meshes, in numpy. `hgm.geometry.differentiable` has them in torch."""

from __future__ import annotations

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] of length one; a zero vector stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals [F, 3] of the faces of a mesh, vertices [V, 3]; a length is twice the face's area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3] of the vertices, faces weighted by their area; zero where a vertex has no
    face."""
    per_face = face_normals(vertices, faces)
    total = np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, corner], per_face[:, axis], len(vertices))
    return unit(total)
