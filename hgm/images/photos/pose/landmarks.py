"""A person's landmarks and mask, by the second network, in a crop around the person.

Constants are those of `pose_landmark_by_roi_cpu.pbtxt` and the graphs that it names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from hgm.images.photos.pose.crops import Crop
from hgm.images.photos.pose.detector import upright_crop
from hgm.images.photos.pose.networks import Network
from hgm.images.photos.pose.published import LANDMARKS, NAMES

COUNT = len(NAMES)
MIDDLE, OUTER = COUNT, COUNT + 1  # two further points, as the detector gives them
WINDOW = 4  # cells of the heat map to each side of a landmark that correct it
CLEAR = 0.5  # least peak of a heat map that corrects a landmark


@dataclass(frozen=True)
class PosedPerson:
    """One person of a picture."""

    score: float  # that it is a person, in [0, 1]
    pixels: np.ndarray  # [33, 2] in the picture, x right, y down; may lie outside
    # [33, 3] meters about the middle of the hips; x right, y down, z away from the camera
    world: np.ndarray
    visibility: np.ndarray  # [33] in [0, 1]
    coverage: np.ndarray  # float32 [H, W] in [0, 1]
    next_crop: Crop  # where these landmarks say that the person is


class LandmarkNetwork:
    """Reads landmarks from crops."""

    def __init__(self) -> None:
        self._network = Network(LANDMARKS)

    def read(self, rgb: np.ndarray, crop: Crop) -> PosedPerson:
        """The person that a crop of rgb uint8 [H, W, 3] is around."""
        size = self._network.edge
        raw, score, mask, heat, world = self._network(crop.cut(rgb, size, repeated=True))
        values = raw.reshape(-1, 5).astype(np.float64)
        places = corrected(values[:, :2] / size, expit(heat))
        pixels = crop.to_picture(places)
        turned = world.reshape(-1, 3)[:COUNT].astype(np.float64)
        turned[:, :2] = turned[:, :2] @ crop.turn.T
        return PosedPerson(
            float(score[0]),
            pixels[:COUNT],
            turned,
            expit(values[:COUNT, 3]),
            crop.paste(expit(mask[..., 0]), *rgb.shape[:2]).astype(np.float32),
            upright_crop(pixels[MIDDLE], pixels[OUTER]),
        )


def corrected(places: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Places [n, 2] in the unit square, each moved to the mean of its heat map [side, side, n] in a
    window around it, where that has a clear peak."""
    side = len(heat)
    found = places.copy()
    for i, (column, row) in enumerate((places * side).astype(int)):
        if not (0 <= column < side and 0 <= row < side):
            continue
        top, left = max(row - WINDOW, 0), max(column - WINDOW, 0)
        window = heat[top : row + WINDOW + 1, left : column + WINDOW + 1, i]
        if window.max() < CLEAR:
            continue
        rows, columns = np.indices(window.shape)
        mean = [np.average(index, weights=window) for index in (columns + left, rows + top)]
        found[i] = np.array(mean) / side
    return found
