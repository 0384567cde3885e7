"""The numbers of each training frame, which are learned with the avatar: what a tracker gave is not
exact."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Frames(NamedTuple):
    """What a head does in some frames, and where its cameras stand."""

    expression: Tensor  # [B, 50]
    pose: Tensor  # [B, 15]
    shift: Tensor  # [B, 3], head units: added to the translation of world_to_camera


class Tracking(nn.Module):
    """Expression, pose and shift of the camera of every frame, one row each.

    They belong into an optimizer that moves only the rows of the frames of a step
    (`hgm.train.settings.Optimizer.sparse`).
    """

    def __init__(self, expression: Tensor, pose: Tensor) -> None:
        """expression [F, 50] and pose [F, 15] as a tracker gave them."""
        super().__init__()
        self.expression = nn.Parameter(expression.clone())
        self.pose = nn.Parameter(pose.clone())
        self.shift = nn.Parameter(torch.zeros(len(pose), 3, dtype=pose.dtype))

    def forward(self, frames: Tensor) -> Frames:
        """Of frames by their index [B]."""
        return Frames(self.expression[frames], self.pose[frames], self.shift[frames])


def world_shift(shift: Tensor, world_to_camera: Tensor) -> Tensor:
    """Shifts [B, 3] of the translations of world_to_camera [B, 4, 4] as moves of all that is seen
    [B, 1, 3].

    A camera's translation and the scene's are the same to a picture, and Gaussians have gradients
    in every splatting backend.
    """
    return (world_to_camera[:, :3, :3].mT @ shift[..., None]).mT
