"""From Gaussians to a clean colored mesh: depth fusion, cleaning, normal-guided refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hgm.cameras import sphere
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.mesh.conversion import to_open3d, to_trimesh
from hgm.mesh.fusion import fuse
from hgm.mesh.refinement import NormalTargets, refine_mesh
from hgm.mesh.settings import VOXEL, Mesh

if TYPE_CHECKING:
    import trimesh


def extract_mesh(
    gaussians: Gaussians,
    settings: Mesh,
    *,
    targets: NormalTargets | None = None,
    backend: str = "auto",
) -> trimesh.Trimesh:
    """The surface of unbatched Gaussians [N] as a mesh in NU, y up, with sRGB colors at the
    vertices.

    `targets` are normal maps that a network predicted; without them there is no normal-guided
    refinement. The Gaussians' own depth is no target: one depth map is noisier than the volume that
    averages all of them, and following it makes the normals worse. Raises InputError when there is
    no surface.
    """
    rig = sphere(settings.cameras, size=settings.size).to(gaussians.means.device)
    mesh = fuse(
        gaussians, rig, voxel=settings.voxel, truncation=settings.truncation, backend=backend
    )
    fewest = max(round(settings.min_triangles * (VOXEL / settings.voxel) ** 2), 1)
    mesh = clean(mesh, min_triangles=fewest, smoothing=settings.smoothing)
    return mesh if targets is None else refine_mesh(mesh, targets, steps=settings.refine_steps)[0]


def clean(mesh: trimesh.Trimesh, *, min_triangles: int, smoothing: int) -> trimesh.Trimesh:
    """Drop connected clusters of fewer than `min_triangles` triangles and vertices of no face, then
    `smoothing` rounds of averaging every vertex (colors too) with its neighbors.

    Raises InputError when no cluster is large enough.
    """
    surface = to_open3d(mesh)
    clusters, sizes, _ = surface.cluster_connected_triangles()
    small = np.asarray(sizes)[np.asarray(clusters)] < min_triangles
    if small.all():
        raise InputError(
            f"mesh: every connected piece has fewer than {min_triangles} triangles; lower "
            "mesh.min_triangles"
        )
    surface.remove_triangles_by_mask(small)
    surface.remove_unreferenced_vertices()
    if smoothing > 0:
        surface = surface.filter_smooth_simple(smoothing)
    return to_trimesh(surface)
