"""Linear blend skinning in numpy, with SMPL-X's arithmetic, for the body and for everything it
wears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hgm.geometry.rotations import rotation_matrices
from hgm.standin.body.skeleton import JOINTS


@dataclass(frozen=True)
class Skeleton:
    """What of a SMPL-X file the forward pass needs (10 betas, 10 expressions, 12 hand components).

    template [V,3] m, shapes [V,3,10], expressions [V,3,10], pose_shapes [3V,486], regressor [55,V],
    weights [V,55], parents [55] (-1 at the pelvis), hand components [12,45] and means [45] of the
    left and the right hand.
    """

    template: np.ndarray
    shapes: np.ndarray
    expressions: np.ndarray
    pose_shapes: np.ndarray
    regressor: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    left_hand: np.ndarray
    right_hand: np.ndarray
    left_mean: np.ndarray
    right_mean: np.ndarray

    @classmethod
    def from_model(cls, model: Mapping[str, np.ndarray]) -> Skeleton:
        """From the arrays of a SMPL-X file with 400 columns of shape directions (300 shape + 100
        expression)."""
        parents = model["kintree_table"][0].astype(np.uint32).astype(np.int32).astype(np.int64)
        parents[0] = -1
        shapes = model["shapedirs"].astype(np.float64)
        return cls(
            template=model["v_template"].astype(np.float64),
            shapes=np.ascontiguousarray(shapes[:, :, :10]),
            expressions=np.ascontiguousarray(shapes[:, :, 300:310]),
            pose_shapes=model["posedirs"].reshape(-1, 486).astype(np.float32),
            regressor=model["J_regressor"].astype(np.float64),
            weights=model["weights"].astype(np.float64),
            parents=parents,
            left_hand=model["hands_componentsl"][:12],
            right_hand=model["hands_componentsr"][:12],
            left_mean=model["hands_meanl"],
            right_mean=model["hands_meanr"],
        )


@dataclass(frozen=True)
class Posed:
    """One posed body: rest [V,3] (shaped, with expression and pose correctives), joints at rest
    [55,3], and the transforms [55,3,4] that carry a point from rest to pose."""

    rest: np.ndarray
    joints: np.ndarray
    transforms: np.ndarray

    def carry(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Points [N,3] at rest with skinning weights [N,55] -> posed points [N,3]."""
        blended = (weights @ self.transforms.reshape(len(JOINTS), 12)).reshape(-1, 3, 4)
        return np.einsum("vij,vj->vi", blended[:, :, :3], points) + blended[:, :, 3]


def pose_body(skeleton: Skeleton, fit: Mapping[str, np.ndarray]) -> Posed:
    """SMPL-X's forward pass for a fit with leading dimension 1, without transl. A hand is 12
    components over the mean hand, or the 45 numbers of its rotations."""
    shaped = (
        skeleton.template
        + skeleton.shapes @ fit["betas"][0]
        + skeleton.expressions @ fit["expression"][0]
    )
    joints = skeleton.regressor @ shaped
    rotations = rotation_matrices(_full_pose(skeleton, fit))
    feature = (rotations[1:] - np.eye(3)).ravel().astype(np.float32)
    rest = shaped + (skeleton.pose_shapes @ feature).reshape(-1, 3)

    world = np.empty_like(rotations)
    places = np.empty_like(joints)
    world[0] = rotations[0]
    places[0] = joints[0]
    for joint in range(1, len(JOINTS)):
        parent = skeleton.parents[joint]
        world[joint] = world[parent] @ rotations[joint]
        places[joint] = places[parent] + world[parent] @ (joints[joint] - joints[parent])
    moves = places - np.einsum("jab,jb->ja", world, joints)
    return Posed(rest, joints, np.concatenate([world, moves[:, :, None]], 2))


def _full_pose(skeleton: Skeleton, fit: Mapping[str, np.ndarray]) -> np.ndarray:
    """[55,3] axis-angle of every joint in the order of the file."""
    parts = [
        fit["global_orient"],
        fit["body_pose"].reshape(21, 3),
        fit["jaw_pose"],
        fit["leye_pose"],
        fit["reye_pose"],
        _hand(fit["left_hand_pose"][0], skeleton.left_mean, skeleton.left_hand),
        _hand(fit["right_hand_pose"][0], skeleton.right_mean, skeleton.right_hand),
    ]
    return np.concatenate(parts).astype(np.float64)


def _hand(pose: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """[15,3] axis-angle of a hand's joints: 45 numbers are they, fewer are coefficients."""
    full = pose if pose.shape == mean.shape else mean + pose @ components
    return full.reshape(15, 3)
