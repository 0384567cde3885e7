"""From Gaussians to a clean colored mesh: depth fusion, cleaning, normal-guided refinement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hgm.cameras import sphere
from hgm.gaussians import Gaussians
from hgm.mesh.cleaning import clean
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
