"""Depth fusion: dense depth renders of Gaussians into a truncated signed distance volume, and its
zero surface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.geometry.rays import import_open3d

if TYPE_CHECKING:
    import trimesh

DEPTH_MAX = 4.0  # NU
MIN_ALPHA = 0.5  # coverage from which on a pixel's expected depth is a surface
BATCH = 8  # cameras rendered at once, for memory


def depth_maps(
    gaussians: Gaussians, cameras: Cameras, *, backend: str = "auto"
) -> Iterator[tuple[Cameras, Tensor, Tensor]]:
    """Render unbatched Gaussians [N] with cameras [C], some at a time: cameras [c], colors [c, 3,
    H, W] in [0, 1] with no background in them, planar depth [c, 1, H, W] in NU, 0 where the
    coverage is below one half."""
    from hgm.splat import render

    with torch.no_grad():
        for first in range(0, len(cameras), BATCH):
            some = cameras[first : first + BATCH]
            picture = render(gaussians, some, backend=backend, background=(0.0, 0.0, 0.0))
            solid = picture.alpha > MIN_ALPHA
            colors = torch.where(
                solid, picture.rgb / picture.alpha.clamp(min=MIN_ALPHA), 0.0
            ).clamp(0, 1)
            yield some, colors, torch.where(solid, picture.depth, 0.0)


class Volume:
    """Open3D's scalable volume with HGM's constants; takes depth maps, gives a mesh."""

    def __init__(self, *, voxel: float, truncation: float) -> None:
        integration = import_open3d().pipelines.integration

        self._volume = integration.ScalableTSDFVolume(
            voxel_length=voxel,
            sdf_trunc=truncation,
            color_type=integration.TSDFVolumeColorType.RGB8,
        )

    def integrate(self, cameras: Cameras, colors: Tensor, depth: Tensor) -> None:
        """Add views: colors [C, 3, H, W] in [0, 1] and planar depth [C, 1, H, W] in NU, 0 where
        nothing was hit."""
        o3d = import_open3d()

        K = cameras.K.double().cpu().numpy()
        w2c = cameras.world_to_camera.double().cpu().numpy()
        paint = (colors * 255).round().to(torch.uint8).movedim(-3, -1).contiguous().cpu().numpy()
        planar = depth[:, 0].float().contiguous().cpu().numpy()
        for i in range(len(cameras)):
            image = o3d.geometry.RGBDImage.create_from_color_and_depth(
                o3d.geometry.Image(paint[i]),
                o3d.geometry.Image(planar[i]),
                depth_scale=1.0,
                depth_trunc=DEPTH_MAX,
                convert_rgb_to_intensity=False,
            )
            # Open3D counts from the center of the first pixel
            pinhole = o3d.camera.PinholeCameraIntrinsic(
                cameras.width,
                cameras.height,
                K[i, 0, 0],
                K[i, 1, 1],
                K[i, 0, 2] - 0.5,
                K[i, 1, 2] - 0.5,
            )
            self._volume.integrate(image, pinhole, w2c[i])

    def mesh(self) -> trimesh.Trimesh:
        """The zero surface in NU with colors at the vertices; the order of vertices and faces
        depends on the shape only.

        Raises InputError when there is no surface.
        """
        from hgm.mesh.conversion import to_trimesh

        mesh = to_trimesh(self._volume.extract_triangle_mesh())
        if len(mesh.faces) == 0:
            raise InputError(
                "mesh: the depth maps hold no surface; the Gaussians are too transparent or "
                "outside the cameras"
            )
        return ordered(mesh)


def fuse(
    gaussians: Gaussians,
    cameras: Cameras,
    *,
    voxel: float,
    truncation: float,
    backend: str = "auto",
) -> trimesh.Trimesh:
    """The surface of unbatched Gaussians [N] seen by cameras [C] all around them, y up, in NU."""
    volume = Volume(voxel=voxel, truncation=truncation)
    for some, colors, depth in depth_maps(gaussians, cameras, backend=backend):
        volume.integrate(some, colors, depth)
    return volume.mesh()


def ordered(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The same mesh with vertices in lexicographic order, each face starting at its first vertex,
    and faces in order; the extraction's own order follows a hash table and the number of
    threads."""
    from hgm.mesh.conversion import colors_of, with_colors

    vertices = np.asarray(mesh.vertices)
    order = np.lexsort(vertices.T[::-1])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    faces = rank[np.asarray(mesh.faces)]
    first = faces.argmin(1)[:, None]
    faces = np.take_along_axis(faces, (first + np.arange(3)) % 3, 1)
    return with_colors(vertices[order], faces[np.lexsort(faces.T[::-1])], colors_of(mesh)[order])
