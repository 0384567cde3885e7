"""A starting point for training from nothing in minutes: each Gaussian begins on its pixel's ray,
in its pixel's color.

The paper's networks predict positions and colors outright and take days; they have no such prior,
nor has `paper()`. With it, what the networks learn are offsets to these numbers, before the
activations. docs/deviations.md lists it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import CHANNELS

SURFACE = 0.08  # NU in front of the pelvis, along the optical axis: about half the depth of a body
OPAQUE = 1.5
CLEAR = -4.0  # on the opacity's logit, for the person and for the white background
WHITE = 0.97  # a pixel whose darkest channel is above is background
NEARER = 20.0  # per NU: how sharply a vertex prefers the camera that it is closer to


def pixel_prior(images: Tensor, cameras: Cameras, size: int) -> Tensor:
    """images [B, V, 3, H, W] over white, cameras [B, V] -> [B, V*size*size, 14], added to the raw
    maps in raster order."""
    batch, views = images.shape[:2]
    small = cameras.resized(size)
    origin, direction = small.rays()  # [B, V, 3, h, w]
    forward = small.world_to_camera[..., 2, :3, None, None]
    depth = small.world_to_camera[..., 2, 3][..., None, None, None] - SURFACE
    anchor = origin + direction * depth / (direction * forward).sum(2, keepdim=True)
    colors = F.interpolate(images.flatten(0, 1), (size, size), mode="area").unflatten(
        0, (batch, views)
    )
    # a pixel at the outline is half white: not the person's
    lightest = F.adaptive_max_pool2d(images.amin(2), size)[:, :, None]
    person = (lightest < WHITE).to(images)
    prior = images.new_zeros(batch, views, CHANNELS, size, size)
    prior[:, :, :3] = anchor
    prior[:, :, 3:4] = CLEAR + (OPAQUE - CLEAR) * person
    prior[:, :, 11:] = color_logits(colors)
    return prior.permute(0, 1, 3, 4, 2).flatten(1, 3)


def vertex_prior(images: Tensor, cameras: Cameras, vertices: Tensor) -> Tensor:
    """Colors of vertices [B, P, 3] as logits [B, P, 3]: the pixel that each falls on in the input
    view it is closest to."""
    pixels, depth = cameras.project(vertices[:, None])  # [B, V, P, 2], [B, V, P]
    grid = pixels / pixels.new_tensor([cameras.width, cameras.height]) * 2 - 1
    colors = F.grid_sample(
        images.flatten(0, 1),
        grid.flatten(0, 1)[:, None],
        align_corners=False,
        padding_mode="border",
    )
    colors = colors[:, :, 0].unflatten(0, images.shape[:2]).movedim(2, -1)  # [B, V, P, 3]
    # what a camera is closer to than another does not hang on how far away it stands
    pelvis = cameras.world_to_camera[..., 2, 3]
    share = torch.softmax(-NEARER * (depth - (pelvis - pelvis[:, :1])[..., None]), 1)[..., None]
    return color_logits((colors * share).sum(1).detach())


def color_logits(colors: Tensor) -> Tensor:
    """Inverse of the color activation 0.5 tanh + 0.5, kept off its flat ends."""
    return torch.atanh(2 * colors.clamp(0.03, 0.97) - 1)
