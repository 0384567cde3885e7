"""From Gaussians to a clean colored mesh: depth fusion, cleaning, normal-guided refinement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hgm.cameras import sphere
from hgm.gaussians import Gaussians
from hgm.mesh.cleaning import MIN_TRIANGLES, SMOOTHING, clean
from hgm.mesh.fusion import TRUNCATION, VOXEL, fuse
from hgm.mesh.refinement import NormalRefinement, NormalTargets, refine_mesh

if TYPE_CHECKING:
    import trimesh


@dataclass(frozen=True)
class MeshSettings:
    """All numbers of the extraction; the release's where it gives them.

    A truncation of 0.05 is thicker than toes and fingers. On a body of opaque discs, truncation
    0.025 with voxel 3 / 256 and 24 cameras of 320 pixels comes within 0.0023 NU of the true
    surface; these defaults come within 0.0043 and take seven times as long.
    """

    cameras: int = 64  # on a Fibonacci sphere
    size: int = 512  # of a depth map, pixels
    voxel: float = VOXEL  # NU
    truncation: float = TRUNCATION  # NU
    # of a cluster at the paper's voxel; scaled with the area of a voxel's side
    min_triangles: int = MIN_TRIANGLES
    smoothing: int = SMOOTHING
    # used where there are target normals
    refinement: NormalRefinement = field(default_factory=NormalRefinement)


def extract_mesh(
    gaussians: Gaussians,
    *,
    settings: MeshSettings | None = None,
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
    settings = MeshSettings() if settings is None else settings
    rig = sphere(settings.cameras, size=settings.size).to(gaussians.means.device)
    mesh = fuse(
        gaussians, rig, voxel=settings.voxel, truncation=settings.truncation, backend=backend
    )
    fewest = max(round(settings.min_triangles * (VOXEL / settings.voxel) ** 2), 1)
    mesh = clean(mesh, min_triangles=fewest, smoothing=settings.smoothing)
    return mesh if targets is None else refine_mesh(mesh, targets, settings=settings.refinement)[0]
