"""Loop subdivision as a sparse matrix, so that positions, weights and coordinates are refined by
one product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from hgm.geometry.normals import unit
from hgm.standin.mesh.triangles import directed_edges, distinct_edges


@dataclass(frozen=True)
class Refinement:
    """matrix [V',V] from the coarse to the fine vertices, faces [4F,3], uvs [4F,3,2] at the faces'
    corners."""

    matrix: sp.csr_matrix
    faces: np.ndarray
    uvs: np.ndarray


def subdivide(faces: np.ndarray, count: int, uvs: np.ndarray) -> Refinement:
    """One Loop step on a mesh of `count` vertices; rims follow the cubic B-spline, corner UVs are
    split linearly.

    The faces come out in four blocks of F: the three corner faces, then the middle one.
    """
    unique, inverse, uses = distinct_edges(directed_edges(faces), count)
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    rim = uses == 1
    matrix = sp.vstack(
        [_old_vertices(unique, rim, count), _edge_vertices(unique, rim, inverse, opposite, count)]
    )

    number = len(faces)
    middle = count + inverse.reshape(3, number)
    corner = faces.T
    fine = np.concatenate(
        [
            np.c_[corner[0], middle[0], middle[2]],
            np.c_[corner[1], middle[1], middle[0]],
            np.c_[corner[2], middle[2], middle[1]],
            np.c_[middle[0], middle[1], middle[2]],
        ]
    )
    a = uvs[:, 0]
    b = uvs[:, 1]
    c = uvs[:, 2]
    ab = (a + b) / 2
    bc = (b + c) / 2
    ca = (c + a) / 2
    quads = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return Refinement(matrix.tocsr(), fine, np.concatenate([np.stack(q, 1) for q in quads]))


def _edge_vertices(
    edges: np.ndarray, rim: np.ndarray, inverse: np.ndarray, opposite: np.ndarray, count: int
) -> sp.csr_matrix:
    """[E,V]: 3/8 of the ends and 1/8 of the opposite vertices; the middle on the rim."""
    number = len(edges)
    rows = np.arange(number)
    ends = np.where(rim, 0.5, 0.375)
    along = sp.coo_matrix(
        (np.r_[ends, ends], (np.r_[rows, rows], np.r_[edges[:, 0], edges[:, 1]])), (number, count)
    )
    across = sp.coo_matrix((np.ones(len(opposite)), (inverse, opposite)), (number, count))
    return along.tocsr() + sp.diags(np.where(rim, 0, 0.125)) @ across.tocsr()


def _old_vertices(edges: np.ndarray, rim: np.ndarray, count: int) -> sp.csr_matrix:
    """[V,V]: Warren's weights inside, 1/8 3/4 1/8 along the rim."""
    on_rim = np.zeros(count, bool)
    on_rim[edges[rim].ravel()] = True
    neighbors = _symmetric(edges, count)
    valence = np.maximum(np.asarray(neighbors.sum(1)).ravel(), 1)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * valence))
    inside = (
        sp.diags(np.where(on_rim, 0, 1 - valence * beta))
        + sp.diags(np.where(on_rim, 0, beta)) @ neighbors
    )
    border = sp.diags(np.where(on_rim, 0.75, 0)) + sp.diags(
        np.where(on_rim, 0.125, 0)
    ) @ _symmetric(edges[rim], count)
    return inside + border


def _symmetric(edges: np.ndarray, count: int) -> sp.csr_matrix:
    rows = np.r_[edges[:, 0], edges[:, 1]]
    columns = np.r_[edges[:, 1], edges[:, 0]]
    return sp.coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count)).tocsr()


def icosphere(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit sphere from an icosahedron split `steps` times: vertices [V,3], faces [20*4^steps,3]."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    vertices = unit(np.array([np.roll(p, shift) for shift in range(3) for p in corners], float))
    # the hull of an icosahedron: triples of vertices at edge distance, turned to look outwards
    distance = np.linalg.norm(vertices[:, None] - vertices[None], axis=2)
    near = distance < 1.1
    triples = [
        (i, j, k)
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    faces = np.array(triples)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", a, np.cross(b, c)) < 0
    faces[inward] = faces[inward][:, ::-1]
    for _ in range(steps):
        refined = subdivide(faces, len(vertices), np.zeros((len(faces), 3, 2)))
        vertices = unit(refined.matrix @ vertices)
        faces = refined.faces
    return vertices, faces
