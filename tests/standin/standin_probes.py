"""Rays at a textured surface: what they hit says what the surface is, whatever its triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.geometry.rays import RayMesh
from hgm.standin.assets import load_assets
from hgm.standin.scan import Scan
from hgm.standin.writer import body_vertices


@dataclass(frozen=True)
class Probes:
    """Rays [N,3] from 2 units away towards the fitted body of a scan, from all sides."""

    origins: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, scan: Scan, count: int) -> Probes:
        """Rays at every so manieth vertex of the body, turned by the golden angle from one to the
        next."""
        body = body_vertices(scan)
        aims = body[np.linspace(0, load_assets().skeleton.weights.shape[0] - 1, count).astype(int)]
        index = np.arange(count)
        around = index * np.pi * (3 - 5**0.5)
        rise = 0.6 * np.sin(index)
        directions = np.stack(
            [np.cos(around) * np.cos(rise), np.sin(rise), np.sin(around) * np.cos(rise)], 1
        )
        return cls(aims - 2 * directions, directions)

    def at(
        self, vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distances [N] and texture coordinates [N,2] of the first hits on a mesh with corner uvs
        [F,3,2], and the faces [N] that were hit; -1 where a ray just misses, which those at bare
        skin may."""
        face, weights, distance = RayMesh(vertices, faces).hits(self.origins, self.directions)
        return distance, np.einsum("nc,nck->nk", weights, uvs[face]), face


def texels_at(texture: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """The colors [N,3] of the pixels of a texture [S,S,3] at coordinates [N,2], v upwards."""
    size = len(texture)
    column, row = np.clip((uvs * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int).T
    return texture[row, column].astype(int)
