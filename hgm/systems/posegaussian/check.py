"""Whether the rows of a rectified pair correspond, as its pictures show it: what a wrong
calibration spoils first."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from hgm.systems.posegaussian.pair import LEFT, RIGHT, RectifiedPair
from hgm.systems.posegaussian.photos import PERSON

log = logging.getLogger(__name__)
FEWEST = 8  # matched points that say something
LARGEST = 512  # pixels of the pictures in which points are matched
CORNERS = 150  # that are looked for
PATCH, BAND = 0.02, 0.04  # of the picture: around a corner to each side, and rows to each side
ALIKE = 0.8  # correlation of two patches of one point
ROWS = 2.0  # pixels between the rows of matched points, above which a calibration is doubtful
MOST = 0.5  # of the matched points, which have to lie in front of the cameras
OFF = 0.25  # of the training's angle, from which on another one gets a warning
SAME = 1.5  # pixels between a pixel and where it comes back to from the other view


def check_pair(pair: RectifiedPair) -> dict[str, Any]:
    """degrees: the angle between the lines from both cameras to the person. points: how many were
    matched between the views; row_error: median of the rows between them, in pixels; in_front:
    share of them that lies in front of the cameras, small where the poses are wrong (both None for
    too few points). both_see: mean share of a view's person that the other sees too, None without
    depth."""
    found: dict[str, Any] = {"degrees": seen_apart(pair)}
    points = matched_points(pair)
    found |= {"points": len(points), "row_error": None, "in_front": None}
    if len(points) >= FEWEST:
        way = points[:, RIGHT] - points[:, LEFT]
        q = (way[:, 0] - (pair.K[RIGHT, 0, 2] - pair.K[LEFT, 0, 2])) / pair.shift
        found["row_error"] = float(np.median(np.abs(way[:, 1])))
        found["in_front"] = float((q > 0).mean())
    found["both_see"] = both_see(pair)
    return found


def seen_apart(pair: RectifiedPair) -> float:
    """Degrees between the lines from both cameras to the middle of the person, whichever way the
    cameras look."""
    lines = []
    for mask, K, w2c in zip(pair.masks, pair.K, pair.world_to_camera, strict=True):
        y, x = np.indices(mask.shape) + 0.5
        weights = mask / mask.sum(dtype=np.float64)
        line = w2c[:3, :3].T @ np.linalg.solve(K, [(weights * x).sum(), (weights * y).sum(), 1.0])
        lines.append(line)
    a, b = lines
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def matched_points(pair: RectifiedPair) -> np.ndarray:
    """Points [N, 2, 2] of the person that look alike in the left and in the right view, as x and y
    in pixels: corners of the left one, whose surroundings are found again in a band of rows."""
    import cv2

    scale = min(1.0, LARGEST / pair.size)
    size = round(pair.size * scale)
    gray = [
        cv2.resize(
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (size, size), interpolation=cv2.INTER_AREA
        )
        for image in pair.images
    ]
    person = cv2.resize(pair.masks[LEFT], (size, size)) >= PERSON
    reach, band = max(3, round(PATCH * size)), max(2, round(BAND * size))
    inner = cv2.erode(person.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    corners = cv2.goodFeaturesToTrack(gray[LEFT], CORNERS, 0.01, reach, mask=inner)
    found = []
    for x, y in np.zeros((0, 2), int) if corners is None else corners[:, 0].astype(int):
        top = y - reach - band
        rows = gray[RIGHT][max(top, 0) : y + reach + band + 1]
        patch = gray[LEFT][y - reach : y + reach + 1, x - reach : x + reach + 1]
        if min(patch.shape) <= 2 * reach or len(rows) <= 2 * reach:
            continue
        score = cv2.matchTemplate(rows, patch, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(score.argmax(), score.shape)
        if score[row, column] > ALIKE:
            fine = row + _peak(score[max(row - 1, 0) : row + 2, column])
            found.append([[x, y], [column + reach, fine + max(top, 0) + reach]])
    return np.array(found).reshape(-1, 2, 2) / scale


def _peak(values: np.ndarray) -> float:
    """Where between -1 and 1 the parabola through three values is highest; 0 at an edge."""
    if len(values) < 3:
        return 0.0
    before, here, after = values
    bend = before - 2 * here + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


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


def spacing_remarks(degrees: float, trained: float, *, given: bool = False) -> list[str]:
    """The warning where cameras see the person from another angle apart than the networks know;
    `given`: where these learn from the very pairs."""
    if abs(degrees - trained) <= OFF * trained:
        return []
    seen = f"the cameras see the person from {degrees:.1f} degrees apart"
    if given:
        return [
            f"{seen}, pairs.degrees is {trained:g}; set it to {degrees:.0f}, since the report and "
            "hgm stereo go by it"
        ]
    return [
        f"{seen}, the networks are trained at {trained:g}; results will be poor, train a run with "
        f"pairs.degrees: {degrees:.0f}"
    ]


def log_remarks(
    checks: Mapping[str, Mapping[str, Any]], trained: float, *, given: bool = False
) -> None:
    """Warn in the log of what a user should know of pairs, by name, that `check_pair` looked at:
    of each, and of the angle that most have (`spacing_remarks`)."""
    if checks:
        degrees = float(np.median([found["degrees"] for found in checks.values()]))
        for remark in spacing_remarks(degrees, trained, given=given):
            log.warning("%s", remark)
    for name, found in checks.items():
        for remark in remarks(found):
            log.warning("%s: %s", name, remark)
