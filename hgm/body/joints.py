"""The joints of the body: names, widths of the parameters that turn them, and limits.

Without torch, for whoever makes or moves bodies with numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# rotation vectors of the parameters of SMPL-X, 3 numbers a joint
WIDTHS = {"global_orient": 3, "body_pose": 63, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3}
HANDS = ("left_hand_pose", "right_hand_pose")  # in the order of the model's hand tables
HAND_WIDTH = 45  # of a hand as rotations: three joints of index, middle, pinky, ring and thumb

BODY_NAMES = (  # in the order of body_pose
    "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar",
    "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
ACROSS = np.array([1.0, -1.0, -1.0])  # an axis-angle seen in the mirror x -> -x

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Limits:
    """The least and the greatest rotation vector of a joint in radians, axis by axis, as on the
    left side."""

    low: Triple
    high: Triple


LIMITS: Mapping[str, Limits] = {
    "hip": Limits((-1.6, -0.5, -0.5), (0.5, 0.5, 0.5)),
    "knee": Limits((0, -0.1, -0.05), (1.9, 0.1, 0.05)),
    "ankle": Limits((-0.4, -0.2, -0.2), (0.6, 0.2, 0.2)),
    "foot": Limits((-0.3, 0, 0), (0.3, 0, 0)),
    "spine": Limits((-0.15, -0.22, -0.15), (0.4, 0.22, 0.15)),
    "neck": Limits((-0.3, -0.4, -0.25), (0.4, 0.4, 0.25)),
    "head": Limits((-0.35, -0.5, -0.25), (0.45, 0.5, 0.25)),
    "collar": Limits((-0.1, -0.2, -0.15), (0.1, 0.2, 0.35)),
    "shoulder": Limits((-0.9, -1.2, -1.22), (0.9, 0.7, 1.05)),
    "elbow": Limits((-0.4, -2.1, -0.3), (0.4, 0.05, 1.3)),
    "wrist": Limits((-0.5, -0.3, -0.6), (0.5, 0.3, 0.6)),
}


def split_joint(name: str) -> tuple[str, str, str]:
    """`left_hip` -> (`l`, `hip`, `hip`), `spine2` -> (``, `spine2`, `spine`): side, part, family of
    limits."""
    side, part = (name[0], name.split("_")[1]) if "_" in name else ("", name)
    return side, part, part.rstrip("0123456789")
