"""The 17 points of COCO on a person: of a body that was fitted, and as a detector wrote them."""

from __future__ import annotations

import numpy as np

from hgm.body.joints import BODY_NAMES

NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# the points of the head by their names in the package smplx, which knows their vertices
HEAD = ("nose", "leye", "reye", "lear", "rear")


def keypoints_of(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The points [17, 3] of SMPL-X's vertices [10475, 3] and joints [55, 3], in their frame: nose,
    eyes and ears are vertices, all others are joints."""
    from smplx.vertex_ids import vertex_ids

    head = vertices[[vertex_ids["smplx"][name] for name in HEAD]]
    body = joints[[1 + BODY_NAMES.index(name) for name in NAMES[len(HEAD) :]]]
    return np.concatenate([head, body])
