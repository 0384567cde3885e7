"""A body mesh as flat Gaussians, so that the splat renderer draws its silhouettes and normals with
gradients.

It takes the place of PyTorch3D's soft rasterizer in the released refinement (field of view 64.09
degrees, distance 1.5, 512 pixels, sigma = gamma = 1e-4, blur radius ln(1 / 1e-4 - 1) * sigma =
9.21e-4, 50 faces per pixel). There a face fades out over sqrt(sigma) = 0.01 of half the image, 2.6
pixels of 512; here the splats' own low-pass filter of 0.55 pixels does it.

A splat that is smaller than a pixel is widened to one by that filter, and tens of them overlap near
an outline, which would swell the silhouette by a pixel. Two measures keep the outline where it is:
a disc's opacity is such that one layer of surface has a given optical depth whatever its number of
discs, and discs lie a fraction of a pixel under the surface, no deeper than the middle of a thin
part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.geometry.differentiable import centroids_and_normals
from hgm.geometry.rays import RayMesh
from hgm.splat.constants import BLUR

# of one layer of surface: the body's two layers let exp(-3) = 5 % of the light pass
OPTICAL_DEPTH = 1.5
INSET = 0.8  # pixels under the surface
RADIUS = 0.5  # of a disc (one sigma), in square roots of its patch's area
FLATNESS = 0.05  # thickness of a disc over its radius
MAX_DEPTH = 0.45  # of a disc under the surface, as a share of the local thickness


@dataclass(frozen=True)
class Surfels:
    """The faces of a mesh grouped into small patches of surface, each of which becomes one flat
    Gaussian, a disc, in whatever pose the mesh is. P patches, F faces."""

    faces: Tensor  # [F, 3] int64
    labels: Tensor  # [F] int64, the patch of each face
    # [P], the deepest that a disc may lie under the surface, in the units of the mesh
    depth: Tensor

    def __len__(self) -> int:
        return len(self.depth)

    @classmethod
    def of(cls, vertices: Tensor, faces: Tensor, *, cell: float = 0.012) -> Surfels:
        """Group the faces of a rest-pose mesh (vertices [N, 3] in NU, faces [F, 3]): a patch holds
        the faces whose centroids share a cubic cell of edge `cell` NU and whose normals share a
        dominant direction; 0 keeps every face.

        Thickness is measured along the inward normal by ray casting (Open3D), on the CPU; the
        patches are on the vertices' device.
        """
        device = vertices.device
        vertices = vertices.detach().float().cpu()
        faces = faces.cpu()
        centroid, cross = centroids_and_normals(vertices, faces)
        thickness = _thickness(vertices, faces, centroid, F.normalize(cross, dim=-1))
        if cell > 0:
            axis = cross.abs().argmax(-1, keepdim=True)
            side = 2 * axis + (cross.gather(-1, axis) < 0)
            key = torch.cat([(centroid / cell).floor().long(), side], -1)
            labels = torch.unique(key, dim=0, return_inverse=True)[1]
        else:
            labels = torch.arange(len(faces))
        count = int(labels.max()) + 1
        deepest = torch.full((count,), math.inf).scatter_reduce(
            0, labels, MAX_DEPTH * thickness, "amin"
        )
        return cls(faces.to(device), labels.to(device), deepest.to(device))

    def gaussians(self, vertices: Tensor, pixel: float) -> Gaussians:
        """The discs [P] of a mesh with vertices [N, 3], for images in which a pixel is `pixel`
        units wide at the body.

        Colors hold the outward unit normals as (n + 1) / 2. Differentiable.
        """
        centroid, cross = centroids_and_normals(vertices, self.faces)
        area = cross.norm(dim=-1, keepdim=True) / 2
        size = len(self)
        sums = vertices.new_zeros(size, 7).index_add(
            0, self.labels, torch.cat([centroid * area, cross, area], -1)
        )
        total = sums[:, 6:].clamp(min=1e-12)
        normal = F.normalize(sums[:, 3:6], dim=-1, eps=1e-12)
        depth = self.depth[:, None].clamp(max=INSET * pixel)
        radius = RADIUS * total.sqrt()
        footprint = 2 * math.pi * (radius.square() + BLUR * pixel**2)
        opacity = 1 - torch.exp(-OPTICAL_DEPTH * total / footprint)
        return Gaussians(
            sums[:, :3] / total - depth * normal,
            opacity[:, 0],
            torch.cat([radius, radius, FLATNESS * radius], -1),
            _turn_z_to(normal),
            (normal + 1) / 2,
        )


def pixel_size(cameras: Cameras) -> float:
    """The mean width of a pixel at the world's origin, in world units."""
    return float((cameras.centers.norm(dim=-1) / cameras.K[..., 0, 0]).mean())


def _turn_z_to(normal: Tensor) -> Tensor:
    """Unit quaternions wxyz [..., 4] that turn +z to the unit vectors [..., 3]."""
    x, y, z = normal.unbind(-1)
    flip = z < -0.999999  # half a turn about x; the formula has no direction there
    q = torch.stack([1 + z, -y, x, torch.zeros_like(z)], -1)
    return F.normalize(torch.where(flip[..., None], q.new_tensor([0.0, 1.0, 0.0, 0.0]), q), dim=-1)


def _thickness(vertices: Tensor, faces: Tensor, centroid: Tensor, normal: Tensor) -> Tensor:
    """Length [F] of the way from a face's centroid inwards to the next surface; 0 where there is
    none."""
    mesh = RayMesh(vertices.numpy(), faces.numpy())
    distance = mesh.distances((centroid - 1e-4 * normal).numpy(), (-normal).numpy())
    return torch.from_numpy(distance).nan_to_num(posinf=0.0)
