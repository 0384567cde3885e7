"""Ambient occlusion: how much of the sky each vertex sees."""

from __future__ import annotations

import numpy as np

from hgm.geometry.normals import vertex_normals
from hgm.geometry.rays import RayMesh

DIRECTIONS = 28
REACH = 0.25  # m beyond which things cast no shade
SKY = 0.5  # how much brighter the sky is above than at the horizon


def sphere_directions(count: int) -> np.ndarray:
    """[count,3] unit vectors spread evenly over the sphere (Fibonacci spiral), y up."""
    index = np.arange(count) + 0.5
    polar = np.arccos(1 - 2 * index / count)
    around = np.pi * (1 + 5**0.5) * index
    return np.stack(
        [np.cos(around) * np.sin(polar), np.cos(polar), np.sin(around) * np.sin(polar)], 1
    )


def sky_light(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Cosine-weighted share of the sky that each vertex sees, [V] in 0-1."""
    normals = vertex_normals(vertices, faces)
    scene = RayMesh(vertices, faces)
    origins = vertices + 0.0015 * normals
    seen = np.zeros(len(vertices))
    total = np.zeros(len(vertices))
    for direction in sphere_directions(DIRECTIONS):
        cosine = normals @ direction
        lit = np.flatnonzero(cosine > 0.05)
        distance = scene.distances(origins[lit], np.broadcast_to(direction, (len(lit), 3)))
        weight = cosine[lit] * (1.15 + SKY * direction[1])
        seen[lit] += weight * np.clip(distance / REACH, 0, 1)
        total[lit] += weight
    return np.where(total > 0, seen / np.maximum(total, 1e-9), 1.0)
