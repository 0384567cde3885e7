"""A look at a mesh: shaded and colored from the front, the side and the back, in one picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.mesh.conversion import colors_of

if TYPE_CHECKING:
    import trimesh

# towards the light, in camera axes x right, y up, z towards the viewer
LIGHT = np.array([0.35, 0.5, 0.8])


def draw_mesh(mesh: trimesh.Trimesh, cameras: Cameras, *, colored: bool) -> Tensor:
    """Images [C, 3, H, W] over white of a mesh in the cameras' world: headlight shading, with
    vertex colors or in gray."""
    import open3d as o3d

    threads = int(os.environ.get("HGM_THREADS", "1"))
    scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
    vertices = np.asarray(mesh.vertices, np.float32)
    faces = np.asarray(mesh.faces)
    scene.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(faces.astype(np.uint32)))
    normals = np.asarray(mesh.vertex_normals, np.float32)
    colors = colors_of(mesh) / 255.0
    images = []
    for i in range(len(cameras)):
        camera = cameras[i]
        rays = torch.cat(camera.rays()).movedim(0, -1).float().contiguous().numpy()  # [H, W, 6]
        hit = scene.cast_rays(o3d.core.Tensor(rays), nthreads=threads)
        face = hit["primitive_ids"].numpy().astype(np.int64)
        seen = face != scene.INVALID_ID
        uv = hit["primitive_uvs"].numpy()
        weights = np.concatenate([1 - uv.sum(-1, keepdims=True), uv], -1)[..., None]
        corners = faces[np.where(seen, face, 0)]
        normal = (normals[corners] * weights).sum(-2) @ camera.world_to_camera[:3, :3].numpy().T
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        light = LIGHT * [1, -1, -1] / np.linalg.norm(LIGHT)
        shade = 0.35 + 0.65 * np.clip(normal @ light, 0, 1)[..., None]
        base = (colors[corners] * weights).sum(-2) if colored else np.full((*face.shape, 3), 0.82)
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
