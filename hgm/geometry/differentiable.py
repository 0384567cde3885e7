"""Centroids and normals of triangle meshes in torch, with gradients to the vertices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def centroids_and_normals(vertices: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Centroids [F, 3] of the faces [F, 3] of a mesh, vertices [V, 3], and their normals [F, 3]; a
    length is twice the face's area."""
    a, b, c = vertices[faces].unbind(-2)
    return (a + b + c) / 3, torch.linalg.cross(b - a, c - a)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals [V, 3] of the vertices, faces weighted by their area."""
    _, normals = centroids_and_normals(vertices, faces)
    sums = torch.zeros_like(vertices)
    for corner in faces.unbind(-1):
        sums = sums.index_add(0, corner, normals)
    return F.normalize(sums, dim=-1, eps=1e-12)
