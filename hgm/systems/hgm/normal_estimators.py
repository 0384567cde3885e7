"""Estimators of normals from a photo: ICON's net where its weights are given, else the net that the
run trained.

Both serve the refinement of the body (its loss on normals) and that of the mesh.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.images.views import resize
from hgm.mesh.refinement import NormalTargets
from hgm.nets.icon import SIZE, IconNormalNet, load_icon
from hgm.nets.normal_net import NormalNet
from hgm.splat.normal_maps import (
    KNOWN,
    NormalMaps,
    body_normals,
    has_normal,
    render_normals,
    to_world,
)
from hgm.splat.surfels import Surfels
from hgm.systems.hgm.normals import WEIGHTS, load_normals


class NormalEstimator(Protocol):
    """Predicts normals of the person in pictures [C, 3, H, W] over white, given the body, vertices
    [P, 3] NU, at the same place."""

    def of_body(
        self, photo: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, camera: Cameras
    ) -> NormalMaps:
        """Target normals for the body, front and back, seen by the unbatched camera of the photo
        [3, H, W] with coverage [1, H, W]."""
        ...

    def of_mesh(
        self, pictures: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, cameras: Cameras
    ) -> NormalTargets:
        """Target normals for the mesh. pictures and cameras [2]: front and back; mask [1, H, W]:
        the front's coverage."""
        ...


class OwnNormals:
    """The net that the run trained. It predicts only what a picture shows, so the far side of a
    body has no target."""

    def __init__(self, net: NormalNet, *, backend: str = "auto") -> None:
        self.net = net
        self.backend = backend

    def of_body(
        self, photo: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, camera: Cameras
    ) -> NormalMaps:
        targets = predict_targets(
            self.net, photo[None], vertices, faces, camera[None], backend=self.backend
        )
        return NormalMaps(targets.normals[0], torch.zeros_like(targets.normals[0]))

    def of_mesh(
        self, pictures: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, cameras: Cameras
    ) -> NormalTargets:
        return predict_targets(self.net, pictures, vertices, faces, cameras, backend=self.backend)


@torch.no_grad()
def predict_targets(
    net: NormalNet,
    pictures: Tensor,
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    *,
    backend: str = "auto",
) -> NormalTargets:
    """Target normals for a mesh, predicted from pictures [C, 3, H, W] over white and the body [P,
    3] NU.

    Pixels outside the body have no target, since the net's prediction relies on the body.
    """
    body = body_normals(vertices, faces, cameras, backend=backend)
    found = net(pictures.to(cameras.K.device), body) * has_normal(body)[:, None]
    return NormalTargets(to_world(found, cameras), cameras)


class IconNormals:
    """ICON's net. Both of its maps are aligned with the photo pixel by pixel; the second shows the
    farthest surface.

    The net was trained on orthographic pictures. Here its inputs, the picture and the normals of
    the body, are both in perspective.
    """

    def __init__(self, net: IconNormalNet, *, size: int = SIZE, backend: str = "auto") -> None:
        self.net = net
        self.size = size
        self.backend = backend

    @torch.no_grad()
    def of_body(
        self, photo: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, camera: Cameras
    ) -> NormalMaps:
        seen = camera.resized(self.size, self.size)
        device = camera.K.device
        vertices = vertices.to(device)
        body = render_normals(vertices, Surfels.of(vertices, faces), seen, backend=self.backend)
        # world -> y up, z to the camera
        axes = torch.diag(seen.K.new_tensor([1.0, -1.0, -1.0])) @ seen.world_to_camera[:3, :3]
        inside = resize(mask, self.size).to(device) > KNOWN
        image = (resize(photo, self.size).to(device) * 2 - 1) * inside
        sides = [
            _turned(axes, F.normalize(side, dim=0) * (side.norm(dim=0) > KNOWN))
            for side in (body.front, body.back)
        ]
        found = self.net(image[None], sides[0][None], sides[1][None])
        return NormalMaps(*(_turned(axes.mT, side[0]) for side in found))

    def of_mesh(
        self, pictures: Tensor, mask: Tensor, vertices: Tensor, faces: Tensor, cameras: Cameras
    ) -> NormalTargets:
        maps = self.of_body(pictures[0], mask, vertices, faces, cameras[0])
        both = cameras[[0, 0]].resized(self.size, self.size)
        return NormalTargets(
            torch.stack([maps.front, maps.back]), both, torch.tensor([False, True])
        )


def load_estimator(
    normals: Mapping[str, Any], own: Path | None, *, device: str = "cpu", backend: str = "auto"
) -> NormalEstimator:
    """The estimator that section `normals` of the configuration names. `own` is the folder of the
    net that the run trained, which is used where the section names no other."""
    if normals["icon"] is not None:
        return IconNormals(load_icon(normals["icon"], device), backend=backend)
    return OwnNormals(load_normals(_there(own), device), backend=backend)


def estimator_digest(normals: Mapping[str, Any], own: Path | None) -> str:
    """Hash of the weights that `load_estimator` loads."""
    icon = normals["icon"]
    return file_digest(Path(icon) if icon is not None else _there(own) / WEIGHTS)


def _there(own: Path | None) -> Path:
    if own is None:
        raise InputError("normals: no net was trained in this run; set normals.icon")
    return own


def _turned(rotation: Tensor, normals: Tensor) -> Tensor:
    return torch.einsum("ij,jhw->ihw", rotation, normals)
