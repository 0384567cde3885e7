"""Cleaning of a fused surface: floating scraps away, light smoothing (spec section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hgm.errors import InputError
from hgm.mesh.conversion import to_open3d, to_trimesh

if TYPE_CHECKING:
    import trimesh


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
