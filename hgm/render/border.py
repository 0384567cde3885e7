"""The part of an image that a scan covers: Blender renders only there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hgm.errors import ScanError

NEAR = 0.01
FAR = 100.0  # normalized units; nothing nearer or farther is hit
PAD = 3  # pixels around the projected scan


@dataclass(frozen=True)
class Border:
    """A box in an image, in pixels from its upper left; right and bottom are the first ones
    outside."""

    left: int
    top: int
    right: int
    bottom: int
    cropped: bool  # the scan reaches beyond the image


def border_of(
    points: np.ndarray, K: np.ndarray, world_to_camera: np.ndarray, width: int, height: int
) -> Border:
    """The box of world-space points [N, 3] in the image of a camera, K [3, 3] in pixels and [4, 4],
    with a pad around it.

    It is the whole image where the points reach behind NEAR. Raises ScanError when none of it is in
    the image.
    """
    p = points @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    if not len(p) or p[:, 2].min() <= NEAR:
        return Border(0, 0, width, height, cropped=True)
    q = p @ K.T
    left, top = (q[:, :2] / q[:, 2:]).min(0)
    right, bottom = (q[:, :2] / q[:, 2:]).max(0)
    x0 = max(0, math.floor(left) - PAD)
    x1 = min(width, math.ceil(right) + PAD)
    y0 = max(0, math.floor(top) - PAD)
    y1 = min(height, math.ceil(bottom) + PAD)
    if x0 >= x1 or y0 >= y1:
        raise ScanError(
            "the view is blank: the scan lies outside the image; is the fit that of this scan?"
        )
    return Border(x0, y0, x1, y1, bool(left < 0 or top < 0 or right > width or bottom > height))
