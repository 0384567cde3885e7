"""Distances between two surfaces in centimeters: Chamfer, point to surface, normal consistency,
with an optional ICP.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from hgm.errors import InputError
from hgm.geometry.rays import RayMesh
from hgm.geometry.rotations import rotation_matrix
from hgm.geometry.sampling import random_points

CM_PER_UNIT = 400 / 3  # of a person 1.8 m tall: 1 NU = 1.333 m
SAMPLES = 100_000


@dataclass(frozen=True)
class SurfaceMesh:
    """A triangle surface: vertices [N, 3] float, faces [M, 3] integer."""

    vertices: np.ndarray
    faces: np.ndarray

    def __post_init__(self) -> None:
        v = self.vertices
        f = self.faces
        if v.ndim != 2 or v.shape[1] != 3 or f.ndim != 2 or f.shape[1] != 3:
            raise ValueError(
                f"a mesh needs vertices [N, 3] and faces [M, 3], got {v.shape} and {f.shape}"
            )
        if not len(f) or not np.isfinite(v).all():
            raise InputError(
                "mesh: it has no faces or a vertex that is not finite; extract the mesh again"
            )

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> SurfaceMesh:
        return SurfaceMesh(self.vertices @ rotation.T + shift, self.faces)


@dataclass(frozen=True)
class SurfaceErrors:
    """chamfer_cm: mean of the two directions; p2s_cm: prediction to ground truth; s2p_cm: the
    reverse.

    normal_consistency: |cos| between a sample's normal and that of the closest triangle, mean of
    the two directions.
    """

    chamfer_cm: float
    p2s_cm: float
    s2p_cm: float
    normal_consistency: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


class Surface:
    """Closest points on a mesh (exact point-to-triangle, float32)."""

    def __init__(self, mesh: SurfaceMesh) -> None:
        self._mesh = RayMesh(mesh.vertices, mesh.faces)

    def closest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [n, 3] -> closest points [n, 3] and unit normals [n, 3] of the triangles they lie
        on, float64."""
        nearest, normal = self._mesh.nearest(points)
        normal = np.nan_to_num(normal.astype(np.float64))  # a sliver has none
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
        return nearest.astype(np.float64), normal


def icp(
    source: SurfaceMesh,
    target: SurfaceMesh,
    *,
    iterations: int = 30,
    count: int = 10_000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Rigid motion (rotation [3, 3], shift [3]) of `source` onto `target`, without scale, by
    point-to-plane ICP.

    Gauss-Newton with a little damping, so that a symmetric surface does not spin. A step that does
    not lower the mean squared distance ends the search: the result is never worse than no motion.
    """
    surface = Surface(target)
    points, _ = random_points(source.vertices, source.faces, count, np.random.default_rng(seed))
    rotation = np.eye(3)
    shift = np.zeros(3)
    closest, normal = surface.closest(points)
    error = np.square(closest - points).sum(1).mean()
    for _ in range(iterations):
        moved = points @ rotation.T + shift
        # [n, 6]: rotation vector, shift
        jacobian = np.concatenate([np.cross(moved, normal), normal], 1)
        hessian = jacobian.T @ jacobian
        residual = ((closest - moved) * normal).sum(1)
        step = np.linalg.solve(
            hessian + 1e-3 * np.trace(hessian) / 6 * np.eye(6), jacobian.T @ residual
        )
        turn = rotation_matrix(step[:3])
        new_rotation = turn @ rotation
        new_shift = turn @ shift + step[3:]
        closest, normal = surface.closest(points @ new_rotation.T + new_shift)
        new_error = np.square(closest - points @ new_rotation.T - new_shift).sum(1).mean()
        if not new_error < error:
            break
        rotation = new_rotation
        shift = new_shift
        gain = error - new_error
        error = new_error
        if gain < 1e-6 * error:
            break
    return rotation, shift


def surface_errors(
    prediction: SurfaceMesh,
    target: SurfaceMesh,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    align: bool = False,
    cm_per_unit: float = CM_PER_UNIT,
) -> SurfaceErrors:
    """Compare two meshes in normalized units by `samples` points of each surface (paper Table 3).

    Distances are from points to triangles, not between two point clouds, so that they vanish for
    equal surfaces.
    align: move the prediction by `icp` first. The same seed gives the same points.
    """
    if align:
        prediction = prediction.moved(*icp(prediction, target, seed=seed))
    random = np.random.default_rng(seed)
    points_p, normals_p = random_points(prediction.vertices, prediction.faces, samples, random)
    points_t, normals_t = random_points(target.vertices, target.faces, samples, random)
    on_t, normals_on_t = Surface(target).closest(points_p)
    on_p, normals_on_p = Surface(prediction).closest(points_t)
    p2s = np.linalg.norm(on_t - points_p, axis=1).mean() * cm_per_unit
    s2p = np.linalg.norm(on_p - points_t, axis=1).mean() * cm_per_unit
    cos_p = np.abs((normals_on_t * normals_p).sum(1))
    cos_t = np.abs((normals_on_p * normals_t).sum(1))
    return SurfaceErrors(
        float((p2s + s2p) / 2), float(p2s), float(s2p), float((cos_p.mean() + cos_t.mean()) / 2)
    )
