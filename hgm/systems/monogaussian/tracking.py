"""The numbers of each training frame, which are learned with the avatar: what a tracker gave is not
exact."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hgm.body.flame import JOINTS
from hgm.body.kinematics import rotation_matrices


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


def parameter_errors(
    expression: Tensor, pose: Tensor, true_expression: Tensor, true_pose: Tensor
) -> dict[str, float]:
    """How far frames' numbers are from the truth, as mean angles in degrees: `pose_degrees` of the
    five joints' rotations, `head_degrees` of the head in the world, which the rotations of root and
    neck make together and pictures show far better than either, `jaw_degrees` and `eyes_degrees`;
    and `expression`, the root mean square of the expressions' error over those coefficients that
    move, each divided by its deviation."""
    found, true = (
        rotation_matrices(p.double().unflatten(-1, (len(JOINTS), 3))) for p in (pose, true_pose)
    )
    joints = _degrees_between(found, true)
    head = _degrees_between(found[:, 0] @ found[:, 1], true[:, 0] @ true[:, 1])
    deviation = true_expression.double().std(0)
    moving = deviation > 0
    errors = (expression - true_expression).double()[:, moving] / deviation[moving]
    return {
        "pose_degrees": float(joints.mean()),
        "head_degrees": float(head.mean()),
        "jaw_degrees": float(joints[:, 2].mean()),
        "eyes_degrees": float(joints[:, 3:].mean()),
        "expression": float(errors.square().mean().sqrt()) if moving.any() else 0.0,
    }


def _degrees_between(a: Tensor, b: Tensor) -> Tensor:
    """The angles [...] between rotations [..., 3, 3]."""
    between = a.mT @ b
    entries = ((2, 1), (0, 2), (1, 0))
    axis = torch.stack([between[..., i, j] - between[..., j, i] for i, j in entries], -1)
    trace = between.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.rad2deg(torch.atan2(axis.norm(dim=-1), trace - 1))
