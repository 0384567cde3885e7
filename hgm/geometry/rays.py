"""Ray casting and closest points on a triangle mesh, by Open3D."""

from __future__ import annotations

import builtins
import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np

from hgm.core.processes import threads
from hgm.errors import MissingDependency

# parts of Open3D that it imports with itself, and with them scikit-learn, pandas, plotly and Dash
HEAVY = ("ml", "visualization")


def import_open3d() -> Any:
    """The package open3d, whose parts for learning and for windows are loaded when they are first
    asked for: every process of a run would import them for nothing, which takes longer than all
    the rest. A notebook has them at once, since Open3D sets up its windows there. Raises
    MissingDependency without Open3D."""
    if "open3d" in sys.modules or hasattr(builtins, "get_ipython"):
        return _open3d()
    empty = {f"open3d.{part}": ModuleType(f"open3d.{part}") for part in HEAVY}
    sys.modules.update(empty)  # what is there is not imported
    try:
        open3d = _open3d()
    finally:
        for name in empty:
            sys.modules.pop(name, None)
    open3d.__getattr__ = _part
    return open3d


def _open3d() -> Any:
    try:
        import open3d
    except ModuleNotFoundError as error:
        if error.name != "open3d":
            raise
        raise MissingDependency(
            "the package open3d is missing; get it with: pip install open3d"
        ) from None
    return open3d


def _part(name: str) -> ModuleType:
    if name not in HEAVY:
        raise AttributeError(f"module 'open3d' has no attribute {name!r}", name=name)
    return importlib.import_module(f"open3d.{name}")


class RayMesh:
    """A mesh that answers where rays hit it and which of its points are nearest.

    Open3D takes every core that it finds; here it takes as many threads as HGM_THREADS allows, so
    that a job stays within what it asked for. Answers do not depend on that number. Coordinates are
    float32 inside.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        """From vertices [V, 3] and faces [F, 3]. Raises MissingDependency without Open3D."""
        open3d = import_open3d()
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

    def nearest_faces(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The faces [N] int64 that points [N, 3] are closest to, and the barycentric weights [N, 3]
        of the corners at the closest surface points."""
        query = self.tensor(np.ascontiguousarray(points, np.float32))
        answer = self.scene.compute_closest_points(query, nthreads=self.threads)
        uv = answer["primitive_uvs"].numpy()
        weights = np.concatenate([1 - uv.sum(-1, keepdims=True), uv], -1)
        return answer["primitive_ids"].numpy().astype(np.int64), weights
