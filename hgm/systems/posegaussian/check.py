"""Whether the rows of a rectified pair correspond, as its pictures show it: what a wrong
calibration spoils first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hgm.systems.posegaussian.pair import LEFT, RIGHT, RectifiedPair
from hgm.systems.posegaussian.photos import PERSON
from hgm.systems.posegaussian.rig import spacing

FEWEST = 8  # matched points that say something
ALONE = 0.75  # of the distance to the second-best match, below which the best is taken
ROWS = 2.0  # pixels between the rows of matched points, above which a calibration is doubtful
MOST = 0.5  # of the matched points, which have to lie in front of the cameras
SAME = 1.5  # pixels between a pixel and where it comes back to from the other view


def check_pair(pair: RectifiedPair) -> dict[str, Any]:
    """degrees: the angle between the cameras. points: how many were matched between the views;
    row_error: median of the rows between them, in pixels; in_front: share of them that lies in
    front of the cameras, small where poses are inverted or photos swapped (both None for too few
    points). both_see: mean share of a view's person that the other sees too, None without depth."""
    found: dict[str, Any] = {"degrees": spacing(*pair.source_world_to_camera)}
    points = matched_points(pair)
    found |= {"points": len(points), "row_error": None, "in_front": None}
    if len(points) >= FEWEST:
        way = points[:, RIGHT] - points[:, LEFT]
        q = (way[:, 0] - (pair.K[RIGHT, 0, 2] - pair.K[LEFT, 0, 2])) / pair.shift
        found["row_error"] = float(np.median(np.abs(way[:, 1])))
        found["in_front"] = float((q > 0).mean())
    found["both_see"] = both_see(pair)
    return found


def matched_points(pair: RectifiedPair) -> np.ndarray:
    """Points [N, 2, 2] of the person that look alike in the left and in the right view, as x and y
    in pixels."""
    import cv2

    sift = cv2.SIFT.create(contrastThreshold=0.01)
    keys, features = [], []
    for image, mask in zip(pair.images, pair.masks, strict=True):
        person = cv2.erode((mask >= PERSON).astype(np.uint8), np.ones((3, 3), np.uint8))
        found, described = sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), person)
        keys.append(np.array([key.pt for key in found]).reshape(-1, 2))
        features.append(described)
    if min(len(points) for points in keys) < 2:
        return np.zeros((0, 2, 2))
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    there, back = (matcher.knnMatch(features[a], features[1 - a], k=2) for a in (LEFT, RIGHT))
    best = {m.queryIdx: m.trainIdx for m, second in back if m.distance < ALONE * second.distance}
    both = [
        (m.queryIdx, m.trainIdx)
        for m, second in there
        if m.distance < ALONE * second.distance and best.get(m.trainIdx) == m.queryIdx
    ]
    left, right = np.array(both, int).reshape(-1, 2).T
    return np.stack([keys[LEFT][left], keys[RIGHT][right]], 1)


def both_see(pair: RectifiedPair) -> float | None:
    """Mean share of a view's known pixels from which the flow leads to a pixel of the other view
    whose flow leads back."""
    if pair.flow is None or pair.valid is None:
        return None
    shares = []
    for side in (LEFT, RIGHT):
        rows, columns = np.nonzero(pair.valid[side])
        flow = pair.flow[side][rows, columns].astype(np.float64)
        target = np.rint(columns + flow).astype(int)
        inside = (target >= 0) & (target < pair.size)
        rows, target, flow = rows[inside], target[inside], flow[inside]
        known = pair.valid[1 - side][rows, target]
        returns = np.abs(flow + pair.flow[1 - side][rows, target]) < SAME
        shares.append((known & returns).sum() / max(len(columns), 1))
    return float(np.mean(shares))


def remarks(found: Mapping[str, Any]) -> list[str]:
    """What a user should know of a pair's `check_pair`."""
    notes = []
    if found["row_error"] is not None and found["row_error"] > ROWS:
        notes.append(
            f"matched points are {found['row_error']:.1f} pixels off their rows; check the "
            "calibration"
        )
    if found["in_front"] is not None and found["in_front"] < MOST:
        notes.append(
            f"{1 - found['in_front']:.0%} of the matched points lie behind the cameras; expected "
            "world_to_camera, not its inverse, and each photo with its own camera"
        )
    return notes
