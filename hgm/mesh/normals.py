"""Normal maps from depth maps, and the normals that a mesh shows in a camera."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.geometry.differentiable import vertex_normals
from hgm.geometry.rays import RayMesh

JUMP = 0.05  # NU: neighbors farther apart in depth lie on two surfaces


def normals_from_depth(depth: Tensor, alpha: Tensor, cameras: Cameras) -> Tensor:
    """World-space unit normals [C, 3, H, W] of planar depth and coverage [C, 1, H, W], towards the
    camera.

    From central differences of the points behind the pixels; zero where the pixel or one of its
    four neighbors has no surface (coverage up to one half) or lies on another one.
    """
    origin, ray = cameras.rays()
    forward = cameras.world_to_camera[..., 2, :3, None, None]
    points = origin + ray * depth / (ray * forward).sum(-3, keepdim=True)
    padded = F.pad(points, (1, 1, 1, 1), mode="replicate")
    along_x = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    along_y = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    normal = F.normalize(torch.linalg.cross(along_y, along_x, dim=-3), dim=-3)
    solid = F.pad(((alpha > 0.5) & (depth > 0)).to(depth), (1, 1, 1, 1))
    z = F.pad(depth, (1, 1, 1, 1), mode="replicate")
    known = solid[..., 1:-1, 1:-1] > 0
    for rows, columns in (
        (slice(1, -1), slice(2, None)),
        (slice(1, -1), slice(None, -2)),
        (slice(2, None), slice(1, -1)),
        (slice(None, -2), slice(1, -1)),
    ):
        known = (
            known & (solid[..., rows, columns] > 0) & ((z[..., rows, columns] - depth).abs() < JUMP)
        )
    return normal * known


@dataclass(frozen=True)
class Hits:
    """The pixels P of some maps at which rays meet a mesh."""

    pixels: Tensor  # [P] int64, index into the flattened maps [V * H * W]
    faces: Tensor  # [P] int64
    weights: Tensor  # [P, 3] barycentric


def cast(vertices: Tensor, faces: Tensor, cameras: Cameras, farthest: Tensor) -> Hits:
    """Cast the rays of cameras [V] at a mesh (vertices [N, 3], faces [F, 3]); a view marked in
    `farthest` [V] takes the last surface along its rays in place of the first."""
    mesh = RayMesh(vertices.detach().float().cpu().numpy(), faces.cpu().numpy())
    origin, ray = (x.float().cpu() for x in cameras.rays())
    back = farthest.cpu()[:, None, None, None]
    reach = 2 * origin.norm(dim=-3, keepdim=True) + 1  # beyond all that is inside the rig
    origins = torch.where(back, origin + reach * ray, origin).movedim(1, -1)
    directions = torch.where(back, -ray, ray).movedim(1, -1)
    hit = mesh.hits(origins.numpy(), directions.numpy())
    face, weights = (torch.from_numpy(x) for x in hit[:2])
    found = (face.flatten() >= 0).nonzero()[:, 0]
    return Hits(
        found.to(vertices.device),
        face.flatten()[found].to(vertices.device),
        weights.flatten(0, -2)[found].to(vertices),
    )


def shown_normals(vertices: Tensor, faces: Tensor, hits: Hits) -> Tensor:
    """Unit normals [P, 3] at the hits, interpolated from the vertices; differentiable, with the
    hits held fixed."""
    corners = vertex_normals(vertices, faces)[faces[hits.faces]]
    return F.normalize((corners * hits.weights[..., None]).sum(-2), dim=-1, eps=1e-12)
