"""Which of a person's views is what: front, back, those that are measured. It follows from the
cameras alone.

The pelvis is at the origin and the person faces +z, so where a camera stands says what it sees.
The rig that scans are rendered with (`hgm.cameras.orbit`) is one case: with 12 views, front 0, back
6, measured 0, 3, 6 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hgm.cameras import Cameras, orbit
from hgm.errors import InputError
from hgm.images.views import load_cameras

FRONT_WITHIN = 60.0  # degrees between a view of the front and straight ahead
BACK_WITHIN = 45.0  # degrees between the back view and opposite of the front view
EVEN = 3.0  # degrees by which the angles between neighbors of an even ring may differ
TIE = 0.01  # degrees; views that differ by less are equally near, and the first one is taken
HELP = (
    "the cameras have to be in the person's frame (y up, pelvis at the origin, facing +z); "
    "mend them, or leave this person out"
)


@dataclass(frozen=True)
class Viewpoints:
    """The views [V] of one person by where they stand."""

    cameras: Cameras  # [V], square pictures
    directions: np.ndarray  # [V, 3] float64, unit vectors from the pelvis to the cameras
    angles: tuple[float, ...]  # [V], degrees about y from the front view, towards +x, in [0, 360)
    front: int  # the input: nearest to straight ahead
    back: int  # nearest to opposite of the front view
    measured: tuple[int, ...]  # see `_measured`
    ring: tuple[int, ...]  # all views by their angles, the front view first

    def __len__(self) -> int:
        return len(self.cameras)

    @classmethod
    def of(cls, cameras: Cameras, place: str | Path) -> Viewpoints:
        """Of cameras [V] in the person's frame; `place` names them in messages.

        Raises InputError for fewer than two views, oblong pictures, a camera in the pelvis, no view
        within FRONT_WITHIN of straight ahead, or none within BACK_WITHIN of its opposite.
        """
        if len(cameras) < 2:
            raise InputError(
                f"{place}: {len(cameras)} view, expected two or more, one of the front and one of "
                "the back"
            )
        if cameras.width != cameras.height:
            raise InputError(
                f"{place}: pictures of {cameras.width} x {cameras.height} pixels, expected square "
                "ones; crop them and move the principal points of their cameras"
            )
        eyes = cameras.to("cpu", torch.float64).centers.numpy()
        distances = np.linalg.norm(eyes, axis=-1)
        if distances.min() < 1e-6:
            raise InputError(
                f"{place}: the camera of view {int(distances.argmin())} stands in the pelvis; "
                f"{HELP}"
            )
        directions = eyes / distances[:, None]
        ahead = np.array([0.0, 0.0, 1.0])
        front = _nearest(directions, ahead)
        off = _between(directions, ahead)[front]
        if off > FRONT_WITHIN + TIE:
            raise InputError(
                f"{place}: no view of the front: view {front} is the nearest, {off:.0f} degrees "
                f"from straight ahead, expected {FRONT_WITHIN:.0f} at most; {HELP}"
            )
        back = _nearest(directions, -directions[front])
        off = _between(directions, -directions[front])[back]
        if off > BACK_WITHIN + TIE:
            raise InputError(
                f"{place}: no view of the back: view {back} is the nearest, {off:.0f} degrees "
                f"from opposite of the front view {front}, expected {BACK_WITHIN:.0f} at most; "
                f"{HELP}"
            )
        azimuths = np.degrees(np.arctan2(directions[:, 0], directions[:, 2]))
        angles = tuple(((azimuths - azimuths[front]) % 360).tolist())
        ring = tuple(
            sorted(range(len(angles)), key=lambda i: (round(angles[i], 1) % 360, i != front, i))
        )
        return cls(cameras, directions, angles, front, back, _measured(directions, ring), ring)

    @classmethod
    def read(cls, folder: str | Path) -> Viewpoints:
        """Of a folder with a cameras.json. Raises InputError, also for cameras that cannot be
        read."""
        return cls.of(load_cameras(folder), folder)

    def opposite(self, view: int) -> int:
        """The view that sees most of what `view` does not."""
        return _nearest(self.directions, -self.directions[view])

    def at(self, degrees: float) -> int:
        """The view nearest to so many degrees from the front view about y, 90 being the person's
        left."""
        return min(self.ring, key=lambda i: round(_apart(self.angles[i], degrees), 1))

    def degrees(self, view: int) -> int:
        """The angle of a view for captions, in whole degrees."""
        return round(self.angles[view]) % 360


def of_the_rig(size: int) -> Viewpoints:
    """The views of `hgm.cameras.orbit` at so many pixels."""
    return Viewpoints.of(orbit(size=size), "the rig")


def _measured(directions: np.ndarray, ring: tuple[int, ...]) -> tuple[int, ...]:
    """The measured views: those at 0, 90, 180 and 270 degrees of a ring like the paper's (evenly
    spaced, a multiple of four), as in the released evaluation; else all but the input's own, as on
    HuMMan since SHERF."""
    count = len(ring)
    gaps = [
        _between(directions[[i]], directions[j])[0]
        for i, j in zip(ring, (*ring[1:], ring[0]), strict=True)
    ]
    # between neighbors, which a person who leans does not change
    if count % 4 == 0 and max(gaps) - min(gaps) <= EVEN:
        return tuple(ring[k * count // 4] for k in range(4))
    return tuple(sorted(ring[1:]))


def _nearest(directions: np.ndarray, direction: np.ndarray) -> int:
    """The first of the unit vectors [V, 3] that are nearest to one [3]."""
    off = _between(directions, direction)
    return int((off <= off.min() + TIE).nonzero()[0][0])


def _between(directions: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Degrees [V] from unit vectors [V, 3] to one [3]; by chords, which are exact at small angles
    too."""
    return 2 * np.degrees(
        np.arcsin(np.clip(np.linalg.norm(directions - direction, axis=-1) / 2, 0, 1))
    )


def _apart(a: float, b: float) -> float:
    """The difference of two angles about one axis, 0 to 180 degrees."""
    return abs((a - b + 180) % 360 - 180)
