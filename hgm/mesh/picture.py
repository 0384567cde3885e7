"""A look at a mesh: shaded and colored from the front, the side and the back, in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.geometry.rays import RayMesh
from hgm.mesh.conversion import colors_of

if TYPE_CHECKING:
    import trimesh

# towards the light, in camera axes x right, y up, z towards the viewer
LIGHT = np.array([0.35, 0.5, 0.8])


def draw_mesh(mesh: trimesh.Trimesh, cameras: Cameras, *, colored: bool) -> Tensor:
    """Images [C, 3, H, W] over white of a mesh in the cameras' world: headlight shading, with
    vertex colors or in gray."""
    faces = np.asarray(mesh.faces)
    surface = RayMesh(np.asarray(mesh.vertices), faces)
    normals = np.asarray(mesh.vertex_normals, np.float32)
    colors = colors_of(mesh) / 255.0
    images = []
    for i in range(len(cameras)):
        camera = cameras[i]
        origin, ray = (x.movedim(0, -1).numpy() for x in camera.rays())  # [H, W, 3]
        face, weights, _ = surface.hits(origin, ray)
        seen = face >= 0
        corners = faces[np.where(seen, face, 0)]
        normal = (normals[corners] * weights[..., None]).sum(-2)
        normal = normal @ camera.world_to_camera[:3, :3].numpy().T
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        light = LIGHT * [1, -1, -1] / np.linalg.norm(LIGHT)
        shade = 0.35 + 0.65 * np.clip(normal @ light, 0, 1)[..., None]
        base = (
            (colors[corners] * weights[..., None]).sum(-2)
            if colored
            else np.full((*face.shape, 3), 0.82)
        )
        images.append(
            torch.from_numpy(np.where(seen[..., None], np.clip(base * shade, 0, 1), 1.0))
            .movedim(-1, 0)
            .float()
        )
    return torch.stack(images)


def mesh_picture(mesh: trimesh.Trimesh, size: int = 256) -> Tensor:
    """[3, 2 * size, 3 * size]: gray above, colored below; front, side and back."""
    cameras = orbit(size=size)[[0, 3, 6]]
    rows = [
        torch.cat(list(draw_mesh(mesh, cameras, colored=colored)), -1) for colored in (False, True)
    ]
    return torch.cat(rows, -2)
