"""Feet that stand on the ground: where a body has to be so that they neither sink nor slip."""

from __future__ import annotations

import numpy as np

from hgm.body.joints import BODY_NAMES

# The left leg of a person of 1.7 m at rest, in meters from the joint before; the pelvis is first.
LEG = {
    "hip": (0.11, -0.04, 0.01),
    "knee": (0.03, -0.41, 0.03),
    "ankle": (0.04, -0.41, -0.03),
    "foot": (0.01, -0.05, 0.14),
}
# points of the sole, from the ankle (heel) or from the foot's joint (ball and toes)
HEEL = (0.0, -0.075, -0.05)
BALLS = ((0.03, -0.025, 0.01), (-0.04, -0.025, 0.01), (0.0, -0.025, 0.06))
SOFTNESS = 0.006  # meters above the lowest point, within which a point carries weight


def planted(
    global_orient: np.ndarray, body_pose: np.ndarray, support: np.ndarray | None = None
) -> np.ndarray:
    """Translations [F, 3] in meters of a body that turns as [F, 3] and [F, 63] say: the lowest
    point of its feet is on the level of the soles of the rest pose, and the feet that carry it do
    not slip.

    support [F, 2]: the shares of the left and of the right foot in carrying, which sum to 1; where
    it is None, the lower foot carries. The first frame is at the origin of x and z.
    """
    soles = _soles(global_orient, body_pose)
    level = _soles(np.zeros((1, 3)), np.zeros((1, body_pose.shape[1])))[..., 1].min()
    height = soles[..., 1]  # [F, 2, P]
    softly = np.exp((height.min((1, 2), keepdims=True) - height) / SOFTNESS)
    lowest = (softly * height).sum((1, 2)) / softly.sum((1, 2))
    if support is None:
        weights = softly / softly.sum((1, 2), keepdims=True)
    else:
        softly = np.exp((height.min(2, keepdims=True) - height) / SOFTNESS)
        weights = support[..., None] * softly / softly.sum(2, keepdims=True)
    between = (weights[1:] + weights[:-1])[..., None] / 2
    steps = -(between * (soles[1:] - soles[:-1])).sum((1, 2))  # [F - 1, 3]
    place = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])
    place[:, 1] = level - lowest
    return place


def _soles(global_orient: np.ndarray, body_pose: np.ndarray) -> np.ndarray:
    """Points [F, 2, P, 3] of the left and the right sole, from the pelvis joint."""
    from scipy.spatial.transform import Rotation

    pose = dict(
        zip(BODY_NAMES, body_pose.reshape(len(body_pose), -1, 3).swapaxes(0, 1), strict=True)
    )
    feet = []
    for side, mirror in (("left", 1.0), ("right", -1.0)):
        across = np.array([mirror, 1.0, 1.0])
        turn = Rotation.from_rotvec(global_orient)
        place = np.zeros_like(global_orient)
        for part, bone in LEG.items():
            place = place + turn.apply(across * bone)
            turn = turn * Rotation.from_rotvec(pose[f"{side}_{part}"])
            if part == "ankle":
                heel = place + turn.apply(across * HEEL)
        feet.append(np.stack([heel, *(place + turn.apply(across * ball) for ball in BALLS)], 1))
    return np.stack(feet, 1)
