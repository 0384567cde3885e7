"""A starting point for trainings of minutes: each Gaussian starts on the ray of its pixel, in the
color of its pixel.

The networks then learn offsets to these numbers, which are added before the activations. The
paper's networks predict positions and colors without such a prior and train for days;
`HGMConfig.paper()` has none either. docs/deviations.md lists it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import CHANNELS

SURFACE = 0.08  # NU in front of the pelvis, along the optical axis: about half the depth of a body
OPAQUE = 1.5
CLEAR = -4.0  # logits of opacity, for the person (OPAQUE) and for the white background (CLEAR)
WHITE = 0.97  # a pixel whose darkest channel is above this value is background
NEARER = 20.0  # per NU: sharpness of the choice of the nearest camera for a vertex


def pixel_prior(images: Tensor, cameras: Cameras, size: int) -> Tensor:
    """images [B, V, 3, H, W] over white, cameras [B, V] -> [B, V*size*size, 14] in raster order, to
    be added to the raw maps."""
    batch, views = images.shape[:2]
    small = cameras.resized(size)
    origin, direction = small.rays()  # [B, V, 3, h, w]
    forward = small.world_to_camera[..., 2, :3, None, None]
    depth = small.world_to_camera[..., 2, 3][..., None, None, None] - SURFACE
    anchor = origin + direction * depth / (direction * forward).sum(2, keepdim=True)
    colors = F.interpolate(images.flatten(0, 1), (size, size), mode="area").unflatten(
        0, (batch, views)
    )
    # a pixel at the outline, partly white, does not count as person
    lightest = F.adaptive_max_pool2d(images.amin(2), size)[:, :, None]
    person = (lightest < WHITE).to(images)
    prior = images.new_zeros(batch, views, CHANNELS, size, size)
    prior[:, :, :3] = anchor
    prior[:, :, 3:4] = CLEAR + (OPAQUE - CLEAR) * person
    prior[:, :, 11:] = color_logits(colors)
    return prior.permute(0, 1, 3, 4, 2).flatten(1, 3)


def vertex_prior(images: Tensor, cameras: Cameras, vertices: Tensor) -> Tensor:
    """Colors of vertices [B, P, 3] as logits [B, P, 3]: the color of the pixel that a vertex
    projects to, in the input view whose camera is nearest."""
    pixels, depth = cameras.project(vertices[:, None])  # [B, V, P, 2], [B, V, P]
    grid = pixels / pixels.new_tensor([cameras.width, cameras.height]) * 2 - 1
    colors = F.grid_sample(
        images.flatten(0, 1),
        grid.flatten(0, 1)[:, None],
        align_corners=False,
        padding_mode="border",
    )
    colors = colors[:, :, 0].unflatten(0, images.shape[:2]).movedim(2, -1)  # [B, V, P, 3]
    # depths relative to the pelvis, so that the choice does not depend on how far away a camera is
    pelvis = cameras.world_to_camera[..., 2, 3]
    share = torch.softmax(-NEARER * (depth - (pelvis - pelvis[:, :1])[..., None]), 1)[..., None]
    return color_logits((colors * share).sum(1).detach())


def color_logits(colors: Tensor) -> Tensor:
    """Inverse of the color activation 0.5 tanh + 0.5, with colors clamped away from 0 and 1."""
    return torch.atanh(2 * colors.clamp(0.03, 0.97) - 1)
