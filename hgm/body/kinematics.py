"""Joints in a chain, and points that move with them: for any number of joints, float32 or float64,
differentiable in everything. Frames and units are the caller's.

The equations are those of linear blend skinning (SMPL, Loper et al. 2015, equations 1 to 4): a
joint's transform takes a point from the rest pose to the posed body, a point's is the mean of the
joints' by its weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SMALL = 1e-4  # radians below which the series of sine and cosine take their place


def rotation_matrices(vectors: Tensor) -> Tensor:
    """Rotation vectors [..., 3] in radians -> rotation matrices [..., 3, 3], by Rodrigues' formula;
    the gradient at no rotation is finite."""
    square = vectors.square().sum(-1)[..., None, None]
    small = square < SMALL**2
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    sine = torch.where(small, 1 - square / 6, angle.sin() / angle)
    cosine = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / angle**2)
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return identity + sine * cross + cosine * cross @ cross


def pose_joints(
    rotations: Tensor, joints: Tensor, parents: Sequence[int] | Tensor
) -> tuple[Tensor, Tensor]:
    """A chain of joints in its pose: joints [..., J, 3], and transforms [..., J, 4, 4], which take
    points of the rest pose along.

    rotations [..., J, 3, 3]: of every joint relative to its parent. joints [..., J, 3]: in the rest
    pose. parents [J]: of every joint one that stands before it, -1 for a root. Raises ValueError
    for parents in another order.
    """
    order = [int(parent) for parent in parents]
    if any(parent >= i or parent < -1 for i, parent in enumerate(order)):
        raise ValueError(f"parents: {order}; expected one that stands before, or -1 for a root")
    turns: list[Tensor] = []
    places: list[Tensor] = []
    for i, parent in enumerate(order):
        turn = rotations[..., i, :, :]
        if parent < 0:
            turns.append(turn)
            places.append(joints[..., i, :].expand(*turn.shape[:-2], 3))
        else:
            bone = (joints[..., i, :] - joints[..., parent, :])[..., None]
            turns.append(turns[parent] @ turn)
            places.append(places[parent] + (turns[parent] @ bone)[..., 0])
    turned, placed = torch.stack(turns, -3), torch.stack(places, -2)
    shift = placed - (turned @ joints[..., None])[..., 0]
    last = turned.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*turned.shape[:-2], 1, 4)
    return placed, torch.cat([torch.cat([turned, shift[..., None]], -1), last], -2)


def blended(weights: Tensor, transforms: Tensor) -> Tensor:
    """The transforms [..., N, 4, 4] of points by their weights [..., N, J], which sum to 1, of the
    joints' transforms [..., J, 4, 4]."""
    return (weights @ transforms.flatten(-2)).unflatten(-1, (4, 4))


def skin(points: Tensor, weights: Tensor, transforms: Tensor) -> Tensor:
    """Points [..., N, 3] of the rest pose -> where they are in the pose of the transforms [..., J,
    4, 4], by their weights [..., N, J]."""
    moved = blended(weights, transforms)
    return (moved[..., :3, :3] @ points[..., None])[..., 0] + moved[..., :3, 3]


def unskin(points: Tensor, weights: Tensor, transforms: Tensor) -> Tensor:
    """The inverse of `skin`: points [..., N, 3] of the pose -> where they are at rest."""
    moved = blended(weights, transforms)
    return torch.linalg.solve(moved[..., :3, :3], (points - moved[..., :3, 3])[..., None])[..., 0]
