"""People in a picture, by the first network: two points of each, which give the square that the
second network looks at.

The network is a single-shot detector over 2254 anchors; constants are those of
`pose_detection_cpu.pbtxt` and `pose_detection_to_roi.pbtxt`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from hgm.images.photos.pose.crops import Crop
from hgm.images.photos.pose.networks import Network
from hgm.images.photos.pose.published import DETECTOR

# strides of the maps, in pixels of the input, and anchors at each of a map's cells
MAPS = ((8, 2), (16, 2), (32, 6))
SURE = 0.5  # least score of a person
SAME = 0.3  # overlap above which two boxes are one person
ROOM = 1.25  # edge of the square over the person's size


@dataclass(frozen=True)
class Detection:
    """A person in a picture."""

    score: float
    box: np.ndarray  # [4], left, top, right, bottom of head and trunk, pixels
    middle: np.ndarray  # [2], between the hips, pixels
    outer: np.ndarray  # [2], on the circle about `middle` that the person fits in, above the head

    @property
    def crop(self) -> Crop:
        """The square around the person, turned so that the person is upright."""
        return upright_crop(self.middle, self.outer)


def upright_crop(middle: np.ndarray, outer: np.ndarray) -> Crop:
    """The square about the circle around `middle` [2] through `outer` [2], which is above the
    person's head; with ROOM."""
    across, down = outer - middle
    radius = float(np.hypot(across, down))
    return Crop(middle, 2 * ROOM * radius, float(np.pi / 2 - np.arctan2(-down, across)))


class Detector:
    """Finds people in pictures."""

    def __init__(self) -> None:
        self._network = Network(DETECTOR)
        self._anchors = anchors(DETECTOR.edge)

    def find(self, rgb: np.ndarray, crop: Crop) -> list[Detection]:
        """The people in a crop of rgb uint8 [H, W, 3], the surest first."""
        seen = 2 * crop.cut(rgb, self._network.edge, repeated=False) - 1
        boxes, scores = self._network(seen)
        chance = expit(scores[:, 0])
        sure = chance > SURE
        # middle, size, and four points, of which the first two are used
        values = boxes[sure].reshape(-1, 6, 2).astype(np.float64) / self._network.edge
        values[:, [0, 2, 3]] += self._anchors[sure][:, None]
        low, high = values[:, 0] - values[:, 1] / 2, values[:, 0] + values[:, 1] / 2
        points = np.stack([low, high, values[:, 2], values[:, 3]], 1)  # [n, 4, 2]
        return [
            Detection(score, found[:2].reshape(4), found[2], found[3])
            for score, merged in one_each(chance[sure], points)
            for found in [crop.to_picture(merged)]
        ]


def anchors(edge: int) -> np.ndarray:
    """The centers [2254, 2] of the anchors in the unit square, map by map, row by row."""
    centers = []
    for stride, count in MAPS:
        side = edge // stride
        steps = (np.arange(side) + 0.5) / side
        grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
        centers.append(np.repeat(grid, count, 0))
    return np.concatenate(centers)


def one_each(scores: np.ndarray, points: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """One score and points [P, 2] for each person of scores [n] and points [n, P, 2], the first two
    of which are corners of a box: the mean of those that overlap with the surest, by score."""
    found = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        same = overlap(points[order, :2], points[order[0], :2]) > SAME
        same[0] = True
        group = order[same]
        mean = np.average(points[group], axis=0, weights=scores[group])
        found.append((float(scores[order[0]]), mean))
        order = order[~same]
    return found


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union [n] of boxes [n, 2, 2] (low and high corner) with a box [2, 2]."""
    inner = np.minimum(boxes[:, 1], box[1]) - np.maximum(boxes[:, 0], box[0])
    shared = inner.clip(0).prod(-1)
    areas = [(b[..., 1, :] - b[..., 0, :]).clip(0).prod(-1) for b in (boxes, box)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
