"""Ray casting and closest points on a triangle mesh, held to the number of threads in
HGM_THREADS."""

from __future__ import annotations

import os

import numpy as np


class RayMesh:
    """A mesh to ask where rays hit it and which of its points are nearest."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        import open3d

        self.threads = int(os.environ.get("HGM_THREADS", "1"))
        self.tensor = open3d.core.Tensor
        self.scene = open3d.t.geometry.RaycastingScene(nthreads=self.threads)
        self.scene.add_triangles(
            np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.uint32)
        )

    def hits(
        self, origins: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First hits of rays [N,3]: face [N] (-1 where there is none) and barycentric weights
        [N,3]; distance [N]."""
        rays = np.concatenate([origins, directions], -1).astype(np.float32)
        answer = self.scene.cast_rays(self.tensor(rays), nthreads=self.threads)
        face = answer["primitive_ids"].numpy().astype(np.int64)
        face[face == 0xFFFFFFFF] = -1
        uv = answer["primitive_uvs"].numpy()
        return face, np.c_[1 - uv.sum(1), uv], answer["t_hit"].numpy()

    def distances(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Distance [N] to the first hit of rays [N,3] in lengths of their direction; infinite where
        there is none."""
        return self.hits(origins, directions)[2]

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Closest surface points [N,3] and the normals [N,3] of the faces they lie on."""
        query = self.tensor(np.ascontiguousarray(points, np.float32))
        answer = self.scene.compute_closest_points(query, nthreads=self.threads)
        return answer["points"].numpy(), answer["primitive_normals"].numpy()
