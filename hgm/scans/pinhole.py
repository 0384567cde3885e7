"""What a user's file says of a camera, checked: a pinhole of pixels and a rotation."""

from __future__ import annotations

import numpy as np

from hgm.errors import ScanError

SKEW = 1e-3  # of the focal length
STRETCHED = 2.0  # one focal length over the other, from which on one of them is wrong
TURNED = 1e-3  # by how much R times its transpose may differ from the unit matrix


def check_pinhole(name: str, K: np.ndarray) -> None:
    """Raise ScanError, which begins with `name`, for a K [3, 3] that is no pinhole's, has skew axes
    or focal lengths that do not belong together."""
    if min(K[0, 0], K[1, 1]) <= 0 or not np.allclose(K[2], [0, 0, 1]) or K[1, 0] != 0:
        raise ScanError(
            f"{name}: not a pinhole's K; expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels"
        )
    if abs(K[0, 1]) > SKEW * K[0, 0]:
        raise ScanError(f"{name}: its axes are skew; calibrate with cv2.calibrateCamera")
    if not 1 / STRETCHED < K[0, 0] / K[1, 1] < STRETCHED:
        raise ScanError(
            f"{name}: focal lengths {K[0, 0]:g} and {K[1, 1]:g} along the two axes; expected "
            "nearly equal ones, in pixels"
        )


def check_center(name: str, K: np.ndarray, size: tuple[int, int]) -> None:
    """Raise ScanError for a K [3, 3] whose principal point is outside of its picture of `size`,
    width and height: that of a picture which was resized or cropped since."""
    (x, y), (width, height) = K[:2, 2], size
    if not (0 < x < width and 0 < y < height):
        raise ScanError(
            f"{name}: its principal point {x:g}, {y:g} is outside of the picture of {width} x "
            f"{height} pixels; expected the K of this very picture: who resizes or crops pictures "
            "changes K with them"
        )


def check_rotation(name: str, world_to_camera: np.ndarray) -> None:
    """Raise ScanError for a world_to_camera [4, 4] that does more than turn and move."""
    R = world_to_camera[:3, :3]
    if np.abs(R @ R.T - np.eye(3)).max() > TURNED or np.linalg.det(R) < 0:
        raise ScanError(
            f"{name}: its left 3 x 3 part is not a rotation; expected world to camera, [R | t] of "
            "cv2.Rodrigues(rvec) and tvec"
        )
