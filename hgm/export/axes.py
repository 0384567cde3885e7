"""From our world to that of viewers that take y as down."""

from __future__ import annotations

import torch

from hgm.gaussians import Gaussians


def y_down(gaussians: Gaussians) -> Gaussians:
    """The Gaussians [N] turned by half a turn around x: right, up, back -> right, down, forward,
    the axes of COLMAP's scenes."""
    w, x, y, z = gaussians.quats.unbind(-1)
    turned = torch.stack([-x, w, -z, y], -1)  # (0, 1, 0, 0) times the quaternion
    return Gaussians(
        gaussians.means * gaussians.means.new_tensor([1.0, -1.0, -1.0]),
        gaussians.opacities,
        gaussians.scales,
        turned,
        gaussians.colors,
    )
