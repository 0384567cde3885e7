"""Between Open3D's and trimesh's triangle meshes, with colors at the vertices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hgm.geometry.rays import import_open3d

if TYPE_CHECKING:
    import trimesh


def with_colors(
    vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None = None
) -> trimesh.Trimesh:
    """A mesh of exactly these vertices [N, 3] and faces [F, 3]; colors [N, 3 or 4] uint8 sRGB, gray
    by default."""
    import trimesh

    if colors is None:
        colors = np.full((len(vertices), 3), 128, np.uint8)
    return trimesh.Trimesh(vertices, faces, vertex_colors=colors, process=False)


def colors_of(mesh: trimesh.Trimesh) -> np.ndarray:
    """Vertex colors [N, 3] uint8 sRGB."""
    visual: Any = mesh.visual
    return np.asarray(visual.vertex_colors)[:, :3]


def to_open3d(mesh: trimesh.Trimesh) -> Any:
    """open3d.geometry.TriangleMesh."""
    o3d = import_open3d()

    out = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(np.asarray(mesh.vertices)),
        o3d.utility.Vector3iVector(np.asarray(mesh.faces)),
    )
    out.vertex_colors = o3d.utility.Vector3dVector(colors_of(mesh) / 255.0)
    return out


def to_trimesh(mesh: Any) -> trimesh.Trimesh:
    """From open3d.geometry.TriangleMesh."""
    colors = np.rint(np.asarray(mesh.vertex_colors) * 255).clip(0, 255).astype(np.uint8)
    vertices = np.asarray(mesh.vertices).copy()
    return with_colors(
        vertices,
        np.asarray(mesh.triangles).astype(np.int64),
        colors if len(colors) == len(vertices) else None,
    )
