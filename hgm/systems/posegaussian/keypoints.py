"""The 17 points of COCO on a person: of a body that was fitted, and as a detector wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgm.body.joints import BODY_NAMES
from hgm.core.manifests import read_json
from hgm.core.npz import numbers_of
from hgm.errors import InputError

NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# the points of the head by their names in the package smplx, which knows their vertices
INSIDE = 0.5  # of the points, which have to be in the picture
HEAD = ("nose", "leye", "reye", "lear", "rear")


def keypoints_of(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The points [17, 3] of SMPL-X's vertices [10475, 3] and joints [55, 3], in their frame: nose,
    eyes and ears are vertices, all others are joints."""
    from smplx.vertex_ids import vertex_ids

    head = vertices[[vertex_ids["smplx"][name] for name in HEAD]]
    body = joints[[1 + BODY_NAMES.index(name) for name in NAMES[len(HEAD) :]]]
    return np.concatenate([head, body])


def detected_keypoints(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The points [17, 2] in pixels and their scores [17] of the person that MMPose is surest of in
    a picture of `size`, width and height, from the JSON file that its inferencer or its demo wrote.

    Raises InputError for a file that is missing or damaged, and where that person has other than 17
    points, no score above 0, or most points outside of the picture.
    """
    data = read_json(path, "have MMPose write it again, with pred_out_dir")
    people = data.get("instance_info") if isinstance(data, dict) else data
    if isinstance(people, list) and len(people) == 1 and isinstance(people[0], list):
        people = people[0]  # a list for each picture
    if not isinstance(people, list) or not people:
        raise InputError(f"{path}: nobody was detected; expected MMPose's list of persons")
    points, scores = _person(max(people, key=_sureness), path)
    if not scores.any():
        raise InputError(
            f"{path}: all scores are 0, so nobody was found; detect with another model"
        )
    inside = ((points >= 0) & (points <= size)).all(1)
    if inside.mean() < INSIDE:
        raise InputError(
            f"{path}: {inside.sum()} of {len(NAMES)} points are in the picture of {size[0]} x "
            f"{size[1]} pixels; detect in this very picture, not in a larger one"
        )
    return points, scores


def _sureness(person: object) -> float:
    """Mean score of a person; -1 where there is none."""
    scores = person.get("keypoint_scores") if isinstance(person, dict) else None
    try:
        mean = float(np.mean(np.asarray(scores, np.float64)))
    except (TypeError, ValueError):
        return -1.0
    return mean if np.isfinite(mean) else -1.0


def _person(person: object, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points and scores of one detected person."""
    if not isinstance(person, dict) or not {"keypoints", "keypoint_scores"} <= person.keys():
        raise InputError(f"{path}: expected keypoints and keypoint_scores of each person")
    points, scores = (
        numbers_of(person[key], f"{path}: {key}").astype(np.float64)
        for key in ("keypoints", "keypoint_scores")
    )
    if points.ndim != 2 or points.shape[1] < 2 or len(points) != len(NAMES):
        raise InputError(
            f"{path}: keypoints are {list(points.shape)}, expected [17, 2]; detect with a model of "
            "COCO's 17 points"
        )
    finite = np.isfinite(points).all() and np.isfinite(scores).all()
    if scores.shape != (len(NAMES),) or not finite:
        raise InputError(f"{path}: expected 17 finite points and a finite score of each")
    return points[:, :2], scores
