"""What an estimator saw of one person, and the ways to read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# degrees by which the bodies of MediaPipe Pose lean towards the camera: 10.1 in the mean of 36
# stand-ins (one sigma 3.4), whose camera stands straight before them
LEAN = 10.0
SIDES = {"left": "right", "right": "left"}
# depths turned round, left and right exchanged; as the estimator says it first
READINGS = ((False, False), (True, False), (True, True), (False, True))


@dataclass(frozen=True)
class Landmarks:
    """Landmarks of one person in a picture."""

    names: Sequence[str]  # [N], `left_hip` and the like
    pixels: np.ndarray  # [N, 2], x right, y down
    # [N, 3] meters about the middle of the hips; x right, y down, z away from the camera
    meters: np.ndarray
    visibility: np.ndarray  # [N] in [0, 1]

    def readings(self) -> list[Landmarks]:
        """All readings of them, their own first."""
        return [self._read(turned, exchanged) for turned, exchanged in READINGS]

    def _read(self, turned: bool, exchanged: bool) -> Landmarks:
        order = np.arange(len(self.names))
        if exchanged:
            order = np.array([self.names.index(other_side(name)) for name in self.names])
        meters = self.meters[order] @ _upright().T * [1, 1, -1 if turned else 1]
        return Landmarks(self.names, self.pixels[order], meters, self.visibility[order])


def other_side(name: str) -> str:
    """`left_hip` -> `right_hip`."""
    return "_".join(SIDES.get(word, word) for word in name.split("_"))


def _upright() -> np.ndarray:
    """[3, 3], which takes the lean out of meters."""
    cosine, sine = np.cos(np.radians(LEAN)), np.sin(np.radians(LEAN))
    return np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
