"""The deformer: what a place of the learned canonical space has of FLAME's motion."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from hgm.body.flame import FEATURE
from hgm.body.kinematics import blended, skin
from hgm.systems.monogaussian.clip import EXPRESSION
from hgm.systems.monogaussian.subject import BONES, Directions, Skeleton

SHARPNESS = 20  # of the softmax that makes skinning weights
BETA = 100  # of the softplus between layers, which is nearly a ReLU and smooth


def softplus(x: Tensor) -> Tensor:
    return F.softplus(x, beta=BETA)


class Deformer(nn.Module):
    """Canonical points [N, 3] -> their offset into FLAME's canonical space [N, 3], and how they
    move.

    Both heads begin at zero: at first all points are where they are in FLAME's canonical space,
    follow no blend shape and belong to all bones alike.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = nn.ModuleList(
            weight_norm(nn.Linear(3 if i == 0 else width, width)) for i in range(4)
        )
        self.shapes = nn.Linear(width, 3 * (FEATURE + EXPRESSION + 1))
        self.skinning = weight_norm(nn.Linear(width, width))
        self.bones = nn.Linear(width, BONES)
        for layer in (self.shapes, self.bones):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, points: Tensor) -> tuple[Tensor, Directions]:
        """Of points [..., N, 3] with any leading dimensions."""
        x = points
        for layer in self.trunk:
            x = softplus(layer(x))
        pose, expression, offset = self.shapes(x).split([3 * FEATURE, 3 * EXPRESSION, 3], -1)
        weights = torch.softmax(SHARPNESS * self.bones(softplus(self.skinning(x))), -1)
        return offset, Directions(
            weights,
            pose.unflatten(-1, (FEATURE, 3)),
            expression.unflatten(-1, (EXPRESSION, 3)),
        )


class Anchored(NamedTuple):
    """Points on their way from canonical space into frames: what no frame changes."""

    canonical: Tensor  # [N, 3] in FLAME's canonical space
    rest: Tensor  # [N, 3] at rest: the canonical pose undone, its blend shapes not yet
    directions: Directions


def anchor(canonical: Tensor, directions: Directions, skeleton: Skeleton) -> Anchored:
    """Undo the canonical pose of points [N, 3] in FLAME's canonical space."""
    transforms, _ = skeleton.canonical()
    matrices = blended(directions.weights, transforms)
    shifted = canonical - matrices[..., :3, 3]
    rest = (inverses(matrices[..., :3, :3]) @ shifted[..., None])[..., 0]
    return Anchored(canonical, rest, directions)


def inverses(matrices: Tensor) -> Tensor:
    """The inverses [..., 3, 3] by cofactors: for many small matrices that are far from singular,
    several times faster on a CPU than a solver."""
    a, b, c = matrices.unbind(-2)
    columns = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    determinant = (a * columns[0]).sum(-1)[..., None, None]
    return torch.stack(columns, -1) / determinant


def deform(points: Anchored, skeleton: Skeleton, expression: Tensor, pose: Tensor) -> Tensor:
    """The places [B, N, 3] of N points in B frames of expressions [B, 50] and poses [B, 15].

    Blend shapes are linear, so those of the canonical space are taken off and those of the frame
    added in one product.
    """
    transforms, feature = skeleton(expression, pose)
    _, feature0 = skeleton.canonical()
    moves = torch.cat([feature - feature0, expression - skeleton.expression], -1)
    shapes = torch.cat([points.directions.pose_shapes, points.directions.expressions], -2)
    moved = points.rest + (moves @ shapes.transpose(0, 1).flatten(1)).unflatten(-1, (-1, 3))
    return skin(moved, points.directions.weights, transforms)
