"""Ray casting and closest points on a triangle mesh, by Open3D."""

from __future__ import annotations

import numpy as np

from hgm.core.processes import threads
from hgm.errors import MissingDependency


class RayMesh:
    """A mesh that answers where rays hit it and which of its points are nearest.

    Open3D takes every core that it finds; here it takes as many threads as HGM_THREADS allows, so
    that a job stays within what it asked for. Answers do not depend on that number. Coordinates are
    float32 inside.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        """From vertices [V, 3] and faces [F, 3]. Raises MissingDependency without Open3D."""
        try:
            import open3d
        except ModuleNotFoundError as error:
            if error.name != "open3d":
                raise
            raise MissingDependency(
                "the package open3d is missing; get it with: pip install open3d"
            ) from None
        self.threads = threads()
        self.tensor = open3d.core.Tensor
        self.scene = open3d.t.geometry.RaycastingScene(nthreads=self.threads)
        self.scene.add_triangles(
            self.tensor(np.ascontiguousarray(vertices, np.float32)),
            self.tensor(np.ascontiguousarray(faces, np.uint32)),
        )

    def hits(
        self, origins: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First hits of rays [..., 3] from `origins` along `directions`.

        Returns the faces [...] int64 (-1 where there is no hit), the barycentric weights [..., 3]
        of their corners, and the distances [...] in lengths of the direction (infinite without a
        hit).
        """
        rays = np.concatenate([origins, directions], -1).astype(np.float32)
        answer = self.scene.cast_rays(self.tensor(rays), nthreads=self.threads)
        face = answer["primitive_ids"].numpy().astype(np.int64)
        face[face == self.scene.INVALID_ID] = -1
        uv = answer["primitive_uvs"].numpy()
        weights = np.concatenate([1 - uv.sum(-1, keepdims=True), uv], -1)
        return face, weights, answer["t_hit"].numpy()

    def distances(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """The distances [...] of `hits` alone."""
        return self.hits(origins, directions)[2]

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The closest surface points [N, 3] of points [N, 3], and the unit normals [N, 3] of the
        faces that they lie on (not a number where the face is a sliver)."""
        query = self.tensor(np.ascontiguousarray(points, np.float32))
        answer = self.scene.compute_closest_points(query, nthreads=self.threads)
        return answer["points"].numpy(), answer["primitive_normals"].numpy()
