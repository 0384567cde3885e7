"""Normal maps of a body in perspective: the surface that a camera sees, and the farthest one behind
it.

ICON and its like mirror an orthographic render to get a back map; a perspective image has no such
mirror. Here the back map is the farthest surface along the very rays of the front camera, so that
both maps share its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.splat import backend_for, render
from hgm.splat.surfels import Surfels, pixel_size

KNOWN = 0.5  # of a length, or of the coverage: above it a pixel has a normal


@dataclass(frozen=True)
class NormalMaps:
    """Unit normals in world axes seen from the input camera; zero where there is no body (and in
    the loss: no target)."""

    front: Tensor  # [3, H, W]
    back: Tensor  # [3, H, W]


def render_normals(
    vertices: Tensor, surfels: Surfels, camera: Cameras, *, backend: str = "auto"
) -> NormalMaps:
    """Front and back maps of a body, vertices [N, 3] in NU, for one unbatched camera;
    differentiable.

    Unit length inside, shorter towards the outline by the coverage.
    """
    cameras = camera[None]
    gaussians = surfels.gaussians(vertices, pixel_size(cameras))
    maps = []
    for side in (gaussians, inside_out(gaussians, camera)):
        picture = render(side, cameras, backend=backend, background=(0.0, 0.0, 0.0))
        coverage = picture.alpha[0]
        sums = 2 * picture.rgb[0] - coverage  # colors are (n + 1) / 2
        maps.append(sums * coverage / sums.norm(dim=0, keepdim=True).clamp(min=1e-6))
    return NormalMaps(*maps)


def inside_out(gaussians: Gaussians, camera: Cameras) -> Gaussians:
    """The Gaussians with their order of depth reversed for one camera, their picture the same but
    for that order.

    A Gaussian moves along its viewing ray from depth z to 2 d - z, where d is the camera's distance
    from the world's origin, and grows in proportion to its new depth.
    """
    center = camera.centers
    forward = camera.world_to_camera[2, :3]
    ray = gaussians.means - center
    z = ray @ forward
    factor = ((2 * center.norm() - z) / z)[:, None]
    return Gaussians(
        center + ray * factor,
        gaussians.opacities,
        gaussians.scales * factor,
        gaussians.quats,
        gaussians.colors,
    )


def normal_error(ours: Tensor, target: Tensor) -> Tensor:
    """Mean L1 distance of normals [..., 3, H, W] over the pixels that have a target."""
    known = has_normal(target).to(ours)
    return ((ours - target).abs().sum(-3) * known).sum() / known.sum().clamp(min=1)


def normal_loss(maps: NormalMaps, targets: NormalMaps) -> Tensor:
    """The mean of `normal_error` over front and back, or over the one that has any target."""
    sides = ((maps.front, targets.front), (maps.back, targets.back))
    known = sum(bool(has_normal(target).any()) for _, target in sides)
    return torch.stack([normal_error(*side) for side in sides]).sum() / max(known, 1)


def has_normal(maps: Tensor) -> Tensor:
    """Which pixels [..., H, W] of maps [..., 3, H, W] hold a normal; the others are zero."""
    return maps.norm(dim=-3) > KNOWN


def body_normals(
    vertices: Tensor, faces: Tensor, cameras: Cameras, *, backend: str = "auto"
) -> Tensor:
    """Normals [C, 3, H, W] of a body, vertices [P, 3] in NU, as each camera sees it, in its axes,
    on the cameras' device; unit length inside, zero outside."""
    return surfel_normals(body_surfels(vertices, faces, cameras), cameras, backend=backend)


def body_surfels(vertices: Tensor, faces: Tensor, cameras: Cameras) -> Gaussians:
    """The surface of a body, vertices [P, 3] in NU, as Gaussians for pictures by these cameras [C],
    on their device."""
    vertices = vertices.to(cameras.K.device)
    return Surfels.of(vertices, faces).gaussians(vertices, pixel_size(cameras))


@torch.no_grad()
def surfel_normals(surfels: Gaussians, cameras: Cameras, *, backend: str = "auto") -> Tensor:
    """`body_normals` of the Gaussians that `body_surfels` makes."""
    picture = render(
        surfels,
        cameras,
        backend=backend_for(backend, cameras.K.device),
        background=(0.0, 0.0, 0.0),
    )
    return to_camera(
        F.normalize(2 * picture.rgb - picture.alpha, dim=1, eps=1e-6) * (picture.alpha > KNOWN),
        cameras,
    )


def to_camera(normals: Tensor, cameras: Cameras) -> Tensor:
    """Normals [C, 3, H, W] in world axes -> in each camera's axes."""
    return torch.einsum("cij,cjhw->cihw", cameras.world_to_camera[:, :3, :3], normals)


def to_world(normals: Tensor, cameras: Cameras) -> Tensor:
    """Normals [C, 3, H, W] in each camera's axes -> in world axes."""
    return torch.einsum("cji,cjhw->cihw", cameras.world_to_camera[:, :3, :3], normals)
