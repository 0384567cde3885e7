"""Pairs in a world whose y axis does not point up.

The network says how a Gaussian is turned in the world (as released), and it has learned that in
worlds with y up. In another one its Gaussians would lie askew, so the world is turned for it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from hgm.gaussians import Gaussians
from hgm.systems.posegaussian.network import turned
from hgm.systems.posegaussian.pair import RectifiedPair

UP = np.array([0.0, 1.0, 0.0])
LEANS = 60.0  # degrees by which what is up for the cameras may differ from the y axis


def upright_turn(pair: RectifiedPair) -> np.ndarray:
    """The rotation [3, 3] of a pair's world after which y is up: the identity where that is so
    anyway, else the shortest one that takes to y what is up for both cameras."""
    up = -pair.source_world_to_camera[:, 1, :3].mean(0)
    up = up / np.linalg.norm(up)
    angle = np.degrees(np.arccos(np.clip(up @ UP, -1, 1)))
    if angle < LEANS:
        return np.eye(3)
    axis = np.cross(up, UP)
    length = np.linalg.norm(axis)
    # upside down, any axis across will do
    axis = axis / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
    return np.asarray(Rotation.from_rotvec(np.radians(angle) * axis).as_matrix())


def turned_pair(pair: RectifiedPair, turn: np.ndarray) -> RectifiedPair:
    """The same pair in the world that a rotation [3, 3] takes its own to."""
    back = np.eye(4)
    back[:3, :3] = turn.T
    return dataclasses.replace(
        pair,
        world_to_camera=pair.world_to_camera @ back,
        source_world_to_camera=pair.source_world_to_camera @ back,
    )


def turned_gaussians(gaussians: Gaussians, turn: np.ndarray) -> Gaussians:
    """Gaussians [N] turned by a rotation [3, 3] about the origin."""
    matrix = gaussians.means.new_tensor(turn.tolist())
    return dataclasses.replace(
        gaussians,
        means=gaussians.means @ matrix.mT,
        quats=turned(gaussians.quats, matrix),
    )
