"""The head of one subject in head units (quarter meters): where its points live, and what they are
drawn towards.

FLAME's canonical space of a subject is its head with the mean expression of its training clips and
an open mouth, so that the lips' points are apart. Head units and that pose are IMavatar's, whose
data format and parameters the system reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from hgm.body.flame import JOINTS, PARENTS, POSE, HeadModel
from hgm.body.kinematics import pose_joints, rotation_matrices
from hgm.systems.monogaussian.clip import EXPRESSION, SCALE

BONES = 1 + len(JOINTS)  # the ghost, which stays where it is, and FLAME's joints
JAW = 0.4  # radians by which the mouth of the canonical space is open


class Skeleton(nn.Module):
    """The joints of a subject: what of the head model the finished avatar still needs."""

    joints: Tensor  # [5, 3] at rest, of the neutral expression
    joint_shapes: Tensor  # [5, 3, 50]: how an expression moves them
    expression: Tensor  # [50]: the mean of the training clips
    pose: Tensor  # [15]: of the canonical space

    def __init__(self, joints: Tensor, joint_shapes: Tensor, expression: Tensor) -> None:
        super().__init__()
        pose = expression.new_zeros(POSE)
        pose[6] = JAW
        for name, value in (
            ("joints", joints),
            ("joint_shapes", joint_shapes),
            ("expression", expression),
            ("pose", pose),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, expression: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Expressions [B, 50] and poses [B, 15] -> transforms [B, 6, 4, 4], the ghost's first, from
        rest to the pose, and the pose's feature [B, 36]."""
        joints = self.joints + (self.joint_shapes @ expression[:, None, :, None])[..., 0]
        rotations = rotation_matrices(pose.unflatten(-1, (len(PARENTS), 3)))
        _, transforms = pose_joints(rotations, joints, PARENTS)
        identity = torch.eye(4, dtype=pose.dtype, device=pose.device)
        ghost = identity.expand(len(pose), 1, 4, 4)
        feature = (rotations[:, 1:] - identity[:3, :3]).flatten(1)
        return torch.cat([ghost, transforms], 1), feature

    def canonical(self) -> tuple[Tensor, Tensor]:
        """Transforms [6, 4, 4] and feature [36] of the canonical space."""
        transforms, feature = self(self.expression[None], self.pose[None])
        return transforms[0], feature[0]


@dataclass(frozen=True)
class Directions:
    """How points move with the head: of vertices of the head model, or learned."""

    weights: Tensor  # [N, 6] skinning weights, of the ghost first
    pose_shapes: Tensor  # [N, 36, 3]
    expressions: Tensor  # [N, 50, 3]

    def at(self, index: Tensor) -> Directions:
        """Those of some points [M], in the order of the index."""
        return Directions(self.weights[index], self.pose_shapes[index], self.expressions[index])

    def to(self, device: torch.device | str) -> Directions:
        return Directions(
            self.weights.to(device), self.pose_shapes.to(device), self.expressions.to(device)
        )


@dataclass(frozen=True)
class SubjectHead:
    """The head model of a subject in its canonical space."""

    skeleton: Skeleton
    vertices: Tensor  # [V, 3]
    directions: Directions  # of the vertices

    @classmethod
    def of(cls, model: HeadModel, shape: Tensor, expression: Tensor) -> SubjectHead:
        """shape [100]; expression [50]: the mean of the training clips."""
        _, joints = model.shaped(shape)
        joint_shapes = torch.einsum(
            "jv,vdc->jdc", model.regressor, model.expressions[..., :EXPRESSION]
        )
        skeleton = Skeleton(SCALE * joints, SCALE * joint_shapes, expression)
        vertices = model(shape[None], expression[None], skeleton.pose[None]).vertices[0]
        directions = Directions(
            torch.cat([model.weights.new_zeros(len(model.weights), 1), model.weights], 1),
            SCALE * model.pose_shapes.movedim(0, 1),
            SCALE * model.expressions[..., :EXPRESSION].movedim(-1, 1),
        )
        return cls(skeleton, SCALE * vertices, directions)

    def to(self, device: torch.device | str) -> SubjectHead:
        return SubjectHead(
            self.skeleton.to(device), self.vertices.to(device), self.directions.to(device)
        )

    @cached_property
    def _tree(self) -> object:
        from scipy.spatial import cKDTree

        return cKDTree(self.vertices.cpu().numpy())

    def nearest(self, points: Tensor) -> Tensor:
        """The index [N] of the vertex that is nearest to each point [N, 3] of canonical space."""
        _, index = self._tree.query(points.detach().cpu().numpy())  # type: ignore[attr-defined]
        return torch.from_numpy(index.astype(np.int64)).to(points.device)
