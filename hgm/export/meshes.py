"""A subject's colored mesh for other programs: `.glb` and `.obj`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hgm.core.files import atomic_write

if TYPE_CHECKING:
    import trimesh


def write_obj(path: str | Path, mesh: trimesh.Trimesh) -> None:
    """Write Wavefront OBJ: `v x y z r g b` (sRGB in [0, 1], read by MeshLab, Blender and others),
    `vn` and faces."""
    from trimesh.exchange.obj import export_obj

    text = export_obj(
        mesh, include_normals=True, include_color=True, include_texture=False, header=None, digits=6
    )
    with atomic_write(path, "w") as file:
        file.write(text + "\n")
