"""Gaussians that move with a body: bound to its nearest surface, and skinned with it.

This is no avatar that was learned: it knows one pose. Where clothes hang or fold otherwise in
another pose, it cannot show that, and what was hidden or missing stays so.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hgm.body.kinematics import blended, unskin
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.errors import InputError
from hgm.gaussians import Gaussians, quaternions, rotation_matrices
from hgm.geometry.rays import RayMesh

MISFIT = 0.02  # meters by which the model may miss the vertices of the file, at most
# Gaussians farther from the body than the first distance, in meters, take some of their weights
# from their neighbors, all of them beyond the second: what hangs between two limbs must not tear
NEAR, FAR = 0.015, 0.06
NEIGHBORS = 12
REACH = 0.04  # meters
ROUNDS = 8
POLAR = 5  # Newton's steps to the nearest rotation; a blend of rotations needs fewer


@dataclass(frozen=True)
class BoundGaussians:
    """Gaussians [N] of a person, in meters and in the pose of a body that they are bound to."""

    gaussians: Gaussians
    model: BodyModel
    params: BodyParameters  # unbatched, of that pose
    corners: Tensor  # [N, 3] int64, vertices of the nearest face
    shares: Tensor  # [N, 3] of these corners
    weights: Tensor  # [N, 55] of the joints
    rest: Tensor  # [N, 3] where the Gaussians are in the rest pose
    unposed: Tensor  # [10475, 3] the vertices there, with the correctives of the pose
    back: Tensor  # [N, 3, 3] from the pose to the rest pose

    @classmethod
    @torch.no_grad()
    def of(
        cls, gaussians: Gaussians, model: BodyModel, params: BodyParameters, vertices: Tensor
    ) -> BoundGaussians:
        """gaussians [N] and vertices [10475, 3] are in one world, whose unit may be any; params are
        unbatched and of these vertices. All is on the model's device. Raises InputError where they
        are not the model's."""
        body = model(params)
        scale, shift = _similarity(body.vertices, vertices)
        miss = float((body.vertices * scale + shift - vertices).norm(dim=-1).max() / scale)
        if not miss < MISFIT:
            raise InputError(
                f"the body's vertices are {100 * miss:.1f} cm from those that the body model gives "
                "for its parameters; expected the model that it was made with: give its run with "
                "--run"
            )
        placed = dataclasses.replace(
            gaussians,
            means=(gaussians.means - shift) / scale,
            scales=gaussians.scales / scale,
        )
        surface = RayMesh(body.vertices.cpu().numpy(), model.faces.cpu().numpy())
        points = placed.means.cpu().numpy()
        faces, found = surface.nearest_faces(points)
        shares = torch.from_numpy(found).to(placed.means)
        corners = model.faces[torch.from_numpy(faces).to(model.device)]
        weights = (model.skinning_weights[corners] * shares[..., None]).sum(1)
        nearest = (body.vertices[corners] * shares[..., None]).sum(1)
        away = (placed.means - nearest).norm(dim=-1)
        weights = _spread(points, weights, away)
        moved = blended(weights, body.transforms)
        return cls(
            placed,
            model,
            params,
            corners,
            shares,
            weights,
            unskin(placed.means, weights, body.transforms),
            unskin(body.vertices, model.skinning_weights, body.transforms),
            torch.linalg.inv(moved[:, :3, :3]),
        )

    def turned(self, body_pose: Tensor, global_orient: Tensor) -> BodyParameters:
        """The body with its joints turned otherwise: axis-angle [..., 63] and [..., 3]. Hands and
        face stay as they were."""
        return self.params.replace(body_pose=body_pose, global_orient=global_orient)

    @torch.no_grad()
    def posed(self, body_pose: Tensor, global_orient: Tensor) -> Gaussians:
        """The Gaussians on the body in another pose. What is bound closely to a vertex follows it
        exactly."""
        body = self.model(self.turned(body_pose, global_orient))
        change = unskin(body.vertices, self.model.skinning_weights, body.transforms) - self.unposed
        rest = self.rest + (change[self.corners] * self.shares[..., None]).sum(1)
        moved = blended(self.weights, body.transforms)
        linear = moved[:, :3, :3]
        means = (linear @ rest[..., None])[..., 0] + moved[:, :3, 3]
        turned = nearest_rotations(linear @ self.back) @ rotation_matrices(self.gaussians.quats)
        return dataclasses.replace(self.gaussians, means=means, quats=quaternions(turned))


def nearest_rotations(matrices: Tensor) -> Tensor:
    """The rotations that are nearest to matrices [..., 3, 3] of positive determinant, by Newton's
    iteration for the polar decomposition."""
    x = matrices
    for _ in range(POLAR):
        x = (x + torch.linalg.inv(x).mT) / 2
    return x


def _similarity(points: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The scale [] and the shift [3] that take points [N, 3] nearest to targets [N, 3], without a
    turn."""
    a, b = points - points.mean(0), targets - targets.mean(0)
    scale = (a * b).sum() / a.square().sum()
    return scale, targets.mean(0) - scale * points.mean(0)


def _spread(points: np.ndarray, weights: Tensor, away: Tensor) -> Tensor:
    """The weights [N, 55], of which points [N, 3] that are `away` [N] meters from the body take
    over those around them."""
    import scipy.sparse as sparse
    from scipy.spatial import cKDTree

    share = ((away - NEAR) / (FAR - NEAR)).clamp(0, 1)
    loose = share > 0
    if not loose.any():
        return weights
    count = min(NEIGHBORS, len(points))
    chosen = loose.cpu().numpy().nonzero()[0]
    distances, others = cKDTree(points).query(points[chosen], count)
    distances, others = distances.reshape(-1, count), others.reshape(-1, count)
    near = np.exp(-((distances / REACH) ** 2))
    near /= near.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(chosen)), count)
    mean = sparse.csr_matrix(
        (near.ravel().astype(np.float32), (rows, others.ravel())), (len(chosen), len(points))
    )
    spread = weights.cpu().numpy().copy()
    own = spread[chosen]
    part = share.cpu().numpy()[chosen, None]
    for _ in range(ROUNDS):
        spread[chosen] = (1 - part) * own + part * (mean @ spread)
    return torch.from_numpy(spread).to(weights)
