"""The mesh of one reconstructed subject: depth fusion, cleaning, refinement by normals predicted
from its front and back picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hgm.gaussians import Gaussians
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, resize, save_image
from hgm.mesh.extraction import extract_mesh
from hgm.mesh.io import save_mesh
from hgm.mesh.picture import mesh_picture
from hgm.mesh.settings import Mesh
from hgm.splat import render
from hgm.systems.hgm.normal_estimators import NormalEstimator

if TYPE_CHECKING:
    import trimesh

# in the folder of a person
MESH = "mesh.glb"
PICTURE = "mesh.png"


def mesh_subject(
    gaussians: Gaussians,
    vertices: Tensor,
    faces: Tensor,
    normals: NormalEstimator,
    out: Path,
    settings: Mesh,
    *,
    backend: str = "auto",
) -> None:
    """Write `mesh.glb` and `mesh.png` to the subject's folder, which holds `input.png`, `back.png`
    and the `cameras.json` of its views.

    gaussians [N], body vertices [P, 3] NU. Raises InputError where the Gaussians have no surface.
    """
    device = gaussians.means.device
    front = load_image(out / "input.png")
    pictures = torch.stack([front, resize(load_image(out / "back.png"), front.shape[-1])])
    views = Viewpoints.read(out)
    cameras = views.cameras.resized(front.shape[-1])[[views.front, views.back]].to(device)
    with torch.no_grad():
        mask = render(gaussians, cameras[:1], backend=backend).alpha[0]
    targets = normals.of_mesh(pictures.to(device), mask, vertices.to(device), faces, cameras)
    write_mesh(extract_mesh(gaussians, settings, targets=targets, backend=backend), out)


def mesh_without_normals(
    gaussians: Gaussians, out: Path, settings: Mesh, *, backend: str = "auto"
) -> None:
    """`mesh_subject` without refinement: where it is off, or where no body is known, which the
    prediction of normals needs."""
    write_mesh(extract_mesh(gaussians, settings, backend=backend), out)


def write_mesh(mesh: trimesh.Trimesh, out: Path) -> None:
    """`mesh.glb` and its picture `mesh.png`."""
    save_mesh(out / MESH, mesh)
    save_image(out / PICTURE, mesh_picture(mesh))
