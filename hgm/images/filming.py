"""Cameras that film a person who moves: where they stand in each picture of a film.

The world is that of the motion, in any unit and with any axis up: which one follows from how the
person stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from hgm.cameras import Cameras, intrinsics, look_at
from hgm.errors import InputError

FOLLOWING = ("free", "front", "back", "moving")
FOCAL = 1100 / 1024  # picture edges
DISTANCE = 2.5  # meters from the person
TURN = 216  # pictures of a turn around the person
BELOW = 0.05  # meters from the pelvis down to what the camera looks at
MARGIN = 1.1  # by which a picture is wider than what has to be in it
SMOOTH = 15  # pictures before and after, over whose mean place the camera follows the person


@dataclass(frozen=True, eq=False)
class Course:
    """Where a person is in the F pictures of a film, in meters."""

    places: np.ndarray  # [F, 3] of the pelvis
    headings: np.ndarray  # [F, 3] unit vectors, level: where the person faces
    up: np.ndarray  # [3] one of the world's axes, with its sign

    @classmethod
    def of(cls, pelvis: np.ndarray, turns: np.ndarray) -> Course:
        """Of pelvis joints [F, 3], and the rotations [F, 3, 3] of a body that at rest stands up
        along y and faces +z."""
        mean = turns[:, :, 1].mean(0)
        axis = int(np.abs(mean).argmax())
        up = np.zeros(3)
        up[axis] = np.sign(mean[axis]) or 1.0
        ahead = turns[:, :, 2]
        level = ahead - (ahead @ up)[:, None] * up
        length = np.linalg.norm(level, axis=1, keepdims=True)
        # of who lies on the back or the belly: where the head points
        along = turns[:, :, 1] - (turns[:, :, 1] @ up)[:, None] * up
        level = np.where(length > 0.1, level, along)
        level /= np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
        return cls(np.asarray(pelvis, np.float64), level, up)

    def __len__(self) -> int:
        return len(self.places)

    def looked_at(self) -> np.ndarray:
        """Points [F, 3] that cameras look at: steady in height, and beside the person's smoothed
        place, so that what moves in a picture is the person."""
        height = float((self.places @ self.up).mean()) - BELOW
        level = self.places - (self.places @ self.up)[:, None] * self.up
        width = min(SMOOTH, len(level) - 1)
        # at both ends it goes on as it came
        longer = np.pad(level, ((width, width), (0, 0)), "reflect", reflect_type="odd")
        parts = np.lib.stride_tricks.sliding_window_view(longer, 2 * width + 1, axis=0)
        return np.asarray(parts.mean(-1) + height * self.up)


def focal_of(reach: float) -> float:
    """The focal length, in picture edges, at which all within so many meters of the point that is
    looked at is in the picture; FOCAL where that is enough."""
    return min(FOCAL, DISTANCE / (2 * MARGIN * reach))


def film_cameras(course: Course, view: str, size: int, *, focal: float = FOCAL) -> Cameras:
    """The cameras [F] of square pictures that follow a person, 2.5 m away.

    front and back stand before and behind the person as in the first picture; moving is always
    before the face; free goes around, once in 216 pictures. focal is in picture edges. Raises
    InputError for another view.
    """
    if view not in FOLLOWING:
        raise InputError(f"--view: {view} is none of {', '.join(FOLLOWING)}")
    count = len(course)
    ahead = course.headings if view == "moving" else course.headings[:1].repeat(count, 0)
    angles = np.zeros(count)
    if view == "back":
        angles += math.pi
    elif view == "free":
        angles = 2 * math.pi * np.arange(count) / TURN
    sideward = np.cross(course.up, ahead)
    away = np.cos(angles)[:, None] * ahead + np.sin(angles)[:, None] * sideward
    target = course.looked_at()
    up = torch.from_numpy(course.up)
    matrices = look_at(torch.from_numpy(target + DISTANCE * away), torch.from_numpy(target), up)
    K = intrinsics(size, focal=focal).expand(count, 3, 3)
    return Cameras(K, matrices.float(), size, size)
