"""The normals that a mesh shows to cameras, with gradients to its vertices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.geometry.differentiable import vertex_normals
from hgm.geometry.rays import RayMesh


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
