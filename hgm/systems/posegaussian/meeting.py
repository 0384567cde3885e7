"""How two calibrated cameras stand to the person that both see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.errors import InputError
from hgm.systems.posegaussian.check import spacing_remarks
from hgm.systems.posegaussian.photos import Photos

MISSED = 0.1  # of the distance, by which the lines to the person may miss each other
SAME_PLACE = 1e-3  # meters to where the lines meet, of which the person is never that near
CLOSE, FAR = 0.3, 20.0  # meters to the person, beyond which no length is meant


@dataclass(frozen=True)
class Meeting:
    """Where the lines from both cameras to the middle of the person meet."""

    degrees: float  # between the lines
    distances: tuple[float, float]  # along each line, meters; negative behind the camera
    gap: float  # meters by which the lines miss each other

    @classmethod
    def of(cls, photos: Photos) -> Meeting:
        """By the middle of the pictures, in which the person is centered."""
        middle = np.array([photos.size / 2, photos.size / 2, 1.0])
        rays, eyes = [], []
        for K, w2c in zip(photos.K, photos.world_to_camera, strict=True):
            ray = w2c[:3, :3].T @ np.linalg.solve(K, middle)
            rays.append(ray / np.linalg.norm(ray))
            eyes.append(-w2c[:3, :3].T @ w2c[:3, 3])
        a, b = rays
        degrees = np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))
        lines = np.stack([a, -b], 1)
        distances, *_ = np.linalg.lstsq(lines, eyes[1] - eyes[0], rcond=None)
        missed = eyes[0] + distances[0] * a - eyes[1] - distances[1] * b
        return cls(float(degrees), tuple(distances.tolist()), float(np.linalg.norm(missed)))


def check_meeting(meeting: Meeting, trained: float) -> list[str]:
    """What the user should know of how the cameras stand; `trained` is the angle of the networks in
    degrees. Raises InputError where they cannot both see the person."""
    if max(map(abs, meeting.distances)) < SAME_PLACE:
        raise InputError(
            "--rig: both cameras are at one place; expected two that stand apart, and "
            "world_to_camera, not its inverse"
        )
    if min(meeting.distances) <= 0:
        raise InputError(
            "--rig: the cameras do not look at one person; expected world_to_camera, not its "
            "inverse, and the photos in the order of the cameras"
        )
    nearest, farthest = min(meeting.distances), max(meeting.distances)
    for distance in (nearest, farthest):
        if not CLOSE < distance < FAR:
            raise InputError(
                f"--rig: by it the person is {distance:.3g} m away; expected translations in meters"
            )
    notes = []
    if meeting.gap > MISSED * nearest:
        notes.append(
            f"the lines from both cameras to the person miss each other by {meeting.gap:.2f} m; "
            "check the calibration"
        )
    return notes + spacing_remarks(meeting.degrees, trained)
