"""The extraction of meshes from Gaussians: section `mesh` of a configuration."""

from __future__ import annotations

from hgm.core.settings import Section, described

VOXEL = 3 / 512  # normalized units: 7.8 mm on a person of 1.8 m


class Mesh(Section):
    """All numbers of the extraction.

    A truncation of 0.05 is thicker than toes and fingers. On a body of opaque discs, truncation
    0.025 with voxel 3 / 256 and 24 cameras of 320 pixels comes within 0.0023 of the true surface;
    voxel and truncation of the release with 64 cameras of 512 pixels come within 0.0043 and take
    seven times as long (normalized units).
    """

    cameras: int = described(
        20, "number of depth renders, from cameras on a Fibonacci sphere (release)", ge=4
    )
    size: int = described(512, "edge of the depth renders in pixels (release)", ge=32)
    voxel: float = described(VOXEL, "edge of a TSDF voxel in normalized units (release)", gt=0)
    truncation: float = described(0.05, "TSDF truncation in normalized units (release)", gt=0)
    min_triangles: int = described(
        200,
        "clusters with fewer triangles are dropped (release); the number is for the release's "
        "voxel and is scaled for others, inversely to the area of a voxel's side",
        ge=0,
    )
    smoothing: int = described(5, "iterations of Open3D's simple smoothing filter (release)", ge=0)
    refine_steps: int = described(
        100, "steps of the normal-guided refinement; 0 = none (not published)", ge=0
    )
