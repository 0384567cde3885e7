"""Cameras on the way from one camera of a pair to the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from hgm.cameras import Cameras
from hgm.errors import InputError

PARALLEL = 1e-4  # of two directions, the size of what tells them apart
OPPOSITE = 179.0  # degrees between two cameras from which on the way between them is no longer one


def between(cameras: Cameras, ratios: Sequence[float] | np.ndarray) -> Cameras:
    """Cameras [n] at ratios [n] in [0, 1] of the way from the first to the second of two cameras
    [2], of their size and type.

    The rotation turns about one axis at constant speed; the translation of world_to_camera and K go
    straight (GPS-Gaussian). Such a way depends on where the world's origin is; here it is the point
    at which both cameras look, so that they stay at their distance from it and the world does not
    matter. Raises InputError for a ratio outside of [0, 1] and for cameras that look in opposite
    directions.
    """
    at = np.asarray(ratios, np.float64)
    if not ((at >= 0) & (at <= 1)).all():
        raise InputError(f"ratio: {at.tolist()}; expected numbers from 0 (left) to 1 (right)")
    K, w2c = (x.detach().cpu().double().numpy() for x in (cameras.K, cameras.world_to_camera))
    ends = Rotation.from_matrix(w2c[:, :3, :3])
    angle = np.degrees((ends[1] * ends[0].inv()).magnitude())
    if angle > OPPOSITE:
        raise InputError(
            f"cameras: {angle:.0f} degrees apart; there is no one way between them, give two that "
            "stand side by side"
        )
    matrices = np.tile(np.eye(4), (len(at), 1, 1))
    matrices[:, :3, :3] = Slerp([0, 1], ends)(at).as_matrix()
    target = looked_at(w2c)
    from_target = w2c[:, :3, :3] @ target + w2c[:, :3, 3]
    matrices[:, :3, 3] = _mixed(from_target, at) - matrices[:, :3, :3] @ target
    found = Cameras(
        torch.from_numpy(_mixed(K, at)), torch.from_numpy(matrices), cameras.width, cameras.height
    )
    return found.to(cameras.K)


def looked_at(world_to_camera: np.ndarray) -> np.ndarray:
    """The point [3] that is nearest to the optical axes of two cameras [2, 4, 4]; any point of use
    for axes that are parallel."""
    R, t = world_to_camera[:, :3, :3], world_to_camera[:, :3, 3]
    centers = -np.einsum("nji,nj->ni", R, t)
    first, second = R[:, 2]
    lines = np.stack([first, -second], 1)
    along, *_ = np.linalg.lstsq(lines, centers[1] - centers[0], rcond=PARALLEL)
    return np.asarray((centers + along[:, None] * R[:, 2]).mean(0))


def evenly(cameras: Cameras, count: int) -> Cameras:
    """So many of them [count], the two cameras included."""
    return between(cameras, np.linspace(0, 1, count))


def _mixed(ends: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The straight way [n, ...] between two arrays [2, ...]."""
    share = at.reshape(-1, *(1 for _ in ends.shape[1:]))
    return (1 - share) * ends[0] + share * ends[1]
