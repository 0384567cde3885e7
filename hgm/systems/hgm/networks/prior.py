"""A starting point for trainings of minutes: colors of Gaussians are those that the pictures show.

The networks then learn offsets to them, which are added before the activations. The paper's
networks predict colors without such a prior and train for days; `HGMConfig.paper()` has none
either. docs/deviations.md lists it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras

DARKEST = 0.01  # colors stay this far from 0 and 1, where their activation has no gradient
NEARER = 20.0  # per NU: sharpness of the choice of the nearest camera for a vertex


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
    """Inverse of the color activation 0.5 tanh + 0.5, with colors DARKEST away from 0 and 1."""
    return torch.atanh(2 * colors.clamp(DARKEST, 1 - DARKEST) - 1)
