"""Normal maps of a body in perspective: the surface that a camera sees, and the farthest one behind
it.

ICON and its like mirror an orthographic render to get a back map; a perspective image has no such
mirror. Here the back map is the farthest surface along the very rays of the front camera, so that
both maps share its pixels (spec section 6.3.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.splat import render
from hgm.splat.surfels import Patches, pixel_size


@dataclass(frozen=True)
class NormalMaps:
    """Unit normals in world axes seen from the input camera; zero where there is no body (and in
    the loss: no target)."""

    front: Tensor  # [3, H, W]
    back: Tensor  # [3, H, W]


def render_normals(
    vertices: Tensor, patches: Patches, camera: Cameras, *, backend: str = "auto"
) -> NormalMaps:
    """Front and back maps of a body, vertices [N, 3] in NU, for one unbatched camera;
    differentiable.

    Unit length inside, shorter towards the outline by the coverage.
    """
    cameras = Cameras(camera.K[None], camera.world_to_camera[None], camera.width, camera.height)
    discs = patches.discs(vertices, pixel_size(cameras))
    maps = []
    for gaussians in (discs, turned_inside_out(discs, camera)):
        picture = render(gaussians, cameras, backend=backend, background=(0.0, 0.0, 0.0))
        coverage = picture.alpha[0]
        sums = 2 * picture.rgb[0] - coverage  # colors are (n + 1) / 2
        maps.append(sums * coverage / sums.norm(dim=0, keepdim=True).clamp(min=1e-6))
    return NormalMaps(*maps)


def turned_inside_out(gaussians: Gaussians, camera: Cameras) -> Gaussians:
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


def normal_loss(maps: NormalMaps, targets: NormalMaps) -> Tensor:
    """Mean L1 distance of the normals over the pixels that have a target, and over front and back
    where both have any."""
    losses = []
    sides = 0
    for ours, target in ((maps.front, targets.front), (maps.back, targets.back)):
        known = (target.norm(dim=0) > 0.5).to(ours)
        losses.append(((ours - target).abs().sum(0) * known).sum() / known.sum().clamp(min=1))
        sides += bool(known.any())
    return torch.stack(losses).sum() / max(sides, 1)
