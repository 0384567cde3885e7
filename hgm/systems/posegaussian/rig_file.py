"""A user's file of the two cameras that took a pair of photos: JSON with the objects `left` and
`right`, each with `K` (3 x 3, pixels of the photo), `world_to_camera` (3 x 4 or 4 x 4, meters,
OpenCV's axes) and, where the photo has another size than K is of, that `width` and `height`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.scans.pinhole import check_pinhole, check_rotation

SIDES = ("left", "right")
HELP = "expected left and right, each with K and world_to_camera (docs/posegaussian.md)"
DISTORTION = ("distortion", "dist", "dist_coeffs", "distCoeffs", "D")  # what it may be called
ASPECT = 0.02  # by how much a photo's ratio of sides may differ from the calibration's


@dataclass(frozen=True)
class CalibratedCamera:
    """The camera of one photo."""

    name: str  # for messages
    K: np.ndarray  # float64 [3, 3]
    world_to_camera: np.ndarray  # float64 [4, 4]
    size: tuple[int, int] | None  # width and height of the photos that K is of; None: of the photo

    def cropped(
        self, photo: tuple[int, int], box: tuple[float, float, float, float], size: int
    ) -> np.ndarray:
        """K [3, 3] of the square picture of `size` pixels that shows a box (left, top, right,
        bottom in shares of width and height) of a photo (width, height). Raises InputError for a
        photo with other proportions than the calibration's, and for a K of another photo."""
        width, height = self.size or photo
        if abs(math.log(photo[0] / photo[1] * height / width)) > ASPECT:
            raise InputError(
                f"{photo[0]} x {photo[1]} pixels, {self.name} is of {width} x {height}; expected "
                "the whole photo, the way up that the camera was calibrated"
            )
        x, y = self.K[:2, 2]
        if not (0 < x < width and 0 < y < height):
            raise InputError(
                f"{width} x {height} pixels, the principal point of {self.name} is at {x:g}, "
                f"{y:g}; expected the K of this photo, or with K the width and height that it is of"
            )
        K = self.K.copy()
        low, high = (np.array(corner) * [width, height] for corner in (box[:2], box[2:]))
        K[:2, 2] -= low
        K[:2] *= (size / (high - low))[:, None]
        return K


def read_rig(path: Path) -> list[CalibratedCamera]:
    """Both cameras, the left one first. Raises InputError for a file that is missing or damaged,
    for one camera, for lenses with distortion, for a K that is no pinhole's and for what is no
    rotation."""
    data = read_json(path, HELP)
    if not isinstance(data, dict):
        raise InputError(f"{path}: not an object; {HELP}")
    return [_camera(f"{path}: {side}", data.get(side)) for side in SIDES]


def _camera(name: str, data: Any) -> CalibratedCamera:
    if not isinstance(data, dict):
        raise InputError(f"{name}: no such camera; {HELP}")
    for key in DISTORTION:
        if key in data and np.any(np.asarray(data[key], object) != 0):
            raise InputError(
                f"{name}: {key}: photos with distortion are not read; undistort both "
                "(cv2.undistort) and leave it out"
            )
    K = _numbers(name, data, "K", ((3, 3),))
    check_pinhole(f"{name}: K", K)
    whole = np.eye(4)
    whole[:3] = _numbers(name, data, "world_to_camera", ((3, 4), (4, 4)))[:3]
    check_rotation(f"{name}: world_to_camera", whole)
    given = data.get("width"), data.get("height")
    if given == (None, None):
        return CalibratedCamera(name, K, whole, None)
    if not all(isinstance(length, int) and length > 0 for length in given):
        raise InputError(
            f"{name}: width {given[0]}, height {given[1]}; expected both in pixels, or neither"
        )
    return CalibratedCamera(name, K, whole, (int(data["width"]), int(data["height"])))


def _numbers(
    name: str, data: Mapping[str, Any], key: str, shapes: tuple[tuple[int, int], ...]
) -> np.ndarray:
    try:
        found = np.asarray(data.get(key), np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.shape not in shapes or not np.isfinite(found).all():
        sizes = " or ".join(f"{rows} x {columns}" for rows, columns in shapes)
        raise InputError(f"{name}: {key}: expected {sizes} finite numbers (docs/posegaussian.md)")
    return found
