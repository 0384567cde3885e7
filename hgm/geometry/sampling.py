"""Points spread evenly by area over the surface of a triangle mesh."""

from __future__ import annotations

import numpy as np

from hgm.errors import InputError
from hgm.geometry.normals import face_normals

SAMPLES = 50_000  # on a person's surface these lie about 7 mm apart


def random_points(
    vertices: np.ndarray, faces: np.ndarray, count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Independent points [count, 3] and the unit normals [count, 3] of the faces that they lie on,
    float64.

    vertices [V, 3], faces [F, 3]. Raises InputError when the surface has no area.
    """
    normals = face_normals(vertices.astype(np.float64), faces)
    length = np.linalg.norm(normals, axis=1)
    normals = normals / np.maximum(length, 1e-300)[:, None]  # zero for a face without area
    areas = length / 2
    total = areas.sum()
    if not total > 0:
        raise InputError("mesh: its surface has no area; extract the mesh again")
    edges = np.cumsum(areas) / total
    face = np.minimum(np.searchsorted(edges, random.random(count), side="right"), len(edges) - 1)
    u = np.sqrt(random.random(count))
    v = random.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    points = np.einsum("nk,nkd->nd", weights, vertices[faces[face]].astype(np.float64))
    return points, normals[face]


def spread_points(
    vertices: np.ndarray, faces: np.ndarray, count: int = SAMPLES, seed: int = 0
) -> np.ndarray:
    """Points [count, 3] on a mesh, vertices [V, 3], faces [F, 3], one on each of `count` equal
    shares of its area, so that they lie more evenly than `random_points`; equal seeds give equal
    points."""
    return _between(vertices, *_spread(vertices, faces, count, seed))


def spread_values(
    vertices: np.ndarray, faces: np.ndarray, values: np.ndarray, count: int = SAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The same points [count, 3], and at each what lies between the values [V, C] of its face's
    corners, [count, C]."""
    places = _spread(vertices, faces, count, seed)
    return _between(vertices, *places), _between(values, *places)


def _between(values: np.ndarray, corners: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Values [count, C] between those [V, C] of three corners [count, 3]."""
    a, b, c = (values[corners[:, k]] for k in range(3))
    return a + u * (b - a) + v * (c - a)


def _spread(
    vertices: np.ndarray, faces: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of spread points the corners of their faces [count, 3], and how far they lie along the two
    edges from the first one [count, 1]."""
    rng = np.random.default_rng(seed)
    corners = vertices[faces]  # [F, 3, 3]
    edges = corners[:, 1:] - corners[:, :1]
    total = np.cumsum(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
    face = np.searchsorted(
        total, (np.arange(count) + rng.random(count)) * (total[-1] / count)
    ).clip(max=len(edges) - 1)
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    return faces[face], np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
