"""Where the viewer's camera goes: the views of the rig and a turn around the person."""

from __future__ import annotations

import math

import numpy as np

from hgm.cameras import orbit
from hgm.rig import FOCAL, VIEWS

FIELD_OF_VIEW = 2 * math.atan(0.5 / FOCAL)  # vertical, radians; images of the rig are square


def rig() -> tuple[np.ndarray, np.ndarray]:
    """Positions [12, 3] and camera-to-world quaternions wxyz [12, 4] of the rig, OpenCV axes."""
    from scipy.spatial.transform import Rotation

    c2w = orbit(VIEWS).camera_to_world.double().numpy()
    xyzw = Rotation.from_matrix(c2w[:, :3, :3]).as_quat()
    return c2w[:, :3, 3], xyzw[:, [3, 0, 1, 2]]


def turn(position: np.ndarray, target: np.ndarray, steps: int) -> np.ndarray:
    """Positions [steps, 3] of one turn around the vertical through `target`, from one step after
    `position` back to it."""
    angle = 2 * math.pi * np.arange(1, steps + 1) / steps
    x, y, z = np.asarray(position, np.float64) - target
    circle = np.stack(
        [
            x * np.cos(angle) + z * np.sin(angle),
            np.full(steps, y),
            z * np.cos(angle) - x * np.sin(angle),
        ],
        -1,
    )
    return circle + target
