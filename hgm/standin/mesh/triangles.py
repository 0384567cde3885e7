"""Triangle meshes as arrays: normals, neighbor averages, rims, islands, thickening."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components


def directed_edges(faces: np.ndarray) -> np.ndarray:
    """[3F,2]: the edges 0-1, 1-2 and 2-0 of all faces, in the faces' own direction."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def distinct_edges(edges: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Undirected edges among [E,2] of `count` vertices: the distinct ones [U,2], index into them
    [E], uses [U]."""
    low = edges.min(1)
    high = edges.max(1)
    keys, inverse, uses = np.unique(low * count + high, return_inverse=True, return_counts=True)
    return np.stack(np.divmod(keys, count), 1), inverse.ravel(), uses


def neighbor_average(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """[V,V] matrix that replaces a value at each vertex by the mean of its neighbors' values."""
    edges = directed_edges(faces)
    rows = np.r_[edges[:, 0], edges[:, 1]]
    columns = np.r_[edges[:, 1], edges[:, 0]]
    adjacency = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
    adjacency.data[:] = 1.0
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return (sp.diags(1 / degree) @ adjacency).tocsr()


def relaxed(values: np.ndarray, average: sp.csr_matrix, steps: int) -> np.ndarray:
    """Values [V,k] after `steps` half steps towards the neighbors' mean."""
    for _ in range(steps):
        values = values + 0.5 * (average @ values - values)
    return values


def rim_edges(faces: np.ndarray) -> np.ndarray:
    """[E,2]: the edges that only one face has, in that face's direction."""
    edges = directed_edges(faces)
    _, inverse, uses = distinct_edges(edges, int(faces.max(initial=0)) + 1)
    return edges[uses[inverse] == 1]


def rim_loops(faces: np.ndarray) -> list[list[int]]:
    """The closed chains of rim vertices, each in the direction of the faces along it."""
    following = {int(a): int(b) for a, b in rim_edges(faces)}
    loops = []
    while following:
        vertex = next(iter(following))
        loop = []
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(loop)
    return loops


def face_islands(faces: np.ndarray, count: int) -> np.ndarray:
    """[F] label of the connected island each face is on."""
    rows = np.r_[faces[:, 0], faces[:, 0]]
    columns = np.r_[faces[:, 1], faces[:, 2]]
    graph = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1][faces[:, 0]]


def is_closed(faces: np.ndarray) -> bool:
    """Whether each edge lies between exactly two faces that run along it in opposite directions."""
    edges = directed_edges(faces)
    size = int(edges.max(initial=0)) + 1
    forward = np.sort(edges[:, 0] * size + edges[:, 1])
    backward = np.sort(edges[:, 1] * size + edges[:, 0])
    return bool(np.array_equal(forward, backward) and (np.diff(forward) > 0).all())


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Volume inside a closed mesh, positive where its faces look outwards."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def sheet_with_back(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed mesh from an open one of `count` vertices and its copy `count` indices higher,
    facing inwards.

    Returns the faces in the order front, back, rim [2F+2E,3], and the rim edges [E,2] they were
    joined along.
    """
    rim = rim_edges(faces)
    a, b = rim.T
    wall = np.concatenate([np.c_[b, a, count + a], np.c_[b, count + a, count + b]])
    return np.concatenate([faces, faces[:, ::-1] + count, wall]), rim
