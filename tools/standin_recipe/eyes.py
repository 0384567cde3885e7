"""Eyeballs with the vertices of SMPL-X's, and the holes in the face that they sit in."""

from __future__ import annotations

import collections

import numpy as np

RINGS = 17
SEGMENTS = 32  # 2 + 17 * 32 = 546 vertices, 1088 faces


def eyeball() -> tuple[np.ndarray, np.ndarray]:
    """A unit sphere, vertices [546, 3] and faces [1088, 3]; vertex 0 is the pupil at +z."""
    polar = np.pi * (np.arange(RINGS) + 1) / (RINGS + 1)
    azimuth = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    t, p = (x.ravel() for x in np.meshgrid(polar, azimuth, indexing="ij"))
    rings = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], 1)
    vertices = np.concatenate([[[0, 0, 1]], rings, [[0, 0, -1]]])
    i = np.arange(SEGMENTS)
    j = (i + 1) % SEGMENTS
    faces = [np.stack([np.zeros_like(i), 1 + i, 1 + j], 1)]
    for ring in range(RINGS - 1):
        inner = 1 + ring * SEGMENTS
        outer = 1 + (ring + 1) * SEGMENTS
        pairs = np.stack([inner + i, outer + i, outer + j, inner + i, outer + j, inner + j], 1)
        faces.append(pairs.reshape(-1, 3))
    last = 1 + (RINGS - 1) * SEGMENTS
    faces.append(np.stack([np.full_like(i, len(vertices) - 1), last + j, last + i], 1))
    return vertices, np.concatenate(faces)


def socket_quads(
    vertices: np.ndarray, quads: np.ndarray, center: np.ndarray, radius: float
) -> np.ndarray:
    """Which quads [Q] of the left face line the eye socket: those reached from behind the eyeball,
    up to behind the lids."""
    distance = np.linalg.norm(vertices - center, axis=1)
    by_edge: dict[frozenset[int], list[int]] = collections.defaultdict(list)
    edges = [
        [frozenset(edge) for edge in zip(quad, np.roll(quad, -1), strict=True)]
        for quad in quads.tolist()
    ]
    for i, quad_edges in enumerate(edges):
        for edge in quad_edges:
            by_edge[edge].append(i)
    behind = (vertices[quads, 2] < center[2] - 0.3 * radius).all(1)
    in_front = vertices[quads, 2].mean(1) > center[2] + 0.45 * radius
    near = (distance[quads] < 1.5 * radius).all(1)
    inside = (distance[quads] < 1.35 * radius).all(1) & behind
    waiting = list(np.flatnonzero(inside))
    while waiting:
        for edge in edges[waiting.pop()]:
            for i in by_edge[edge]:
                if not inside[i] and near[i] and not in_front[i]:
                    inside[i] = True
                    waiting.append(i)
    return inside
