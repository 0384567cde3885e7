"""Where the camera of an avatar's film stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.images.filming import FOLLOWING, Course, film_cameras, focal_of

CAMERA, CANONICAL = "camera", "cano"
VIEWS = (CAMERA, *FOLLOWING, CANONICAL)
BEYOND = 0.2  # meters that a body reaches beyond its joints


@dataclass(frozen=True)
class View:
    """A view by its name, and the capture's camera that it is of, if it is of one."""

    name: str
    camera: str | None = None

    @classmethod
    def of(cls, text: str) -> View:
        """Of a name, or of `camera:NAME`. Raises InputError for another view."""
        name, _, camera = text.partition(":")
        if name not in VIEWS or (camera and name != CAMERA):
            raise InputError(f"--view: {text} is none of {', '.join(VIEWS)}, {CAMERA}:NAME")
        return cls(name, camera or None)


def capture_camera(
    view: View, cameras: Mapping[str, Cameras], first: Sequence[str], size: int
) -> Cameras:
    """The camera [] that a view is of, or the first of those in `first` that there is, with
    pictures whose longer edge is `size`. Raises InputError for one that the capture lacks."""
    known = [name for name in (*first, *cameras) if name in cameras]
    name = view.camera or known[0]
    if name not in cameras:
        raise InputError(f"--view: the capture has no camera {name}; it has {', '.join(cameras)}")
    camera = cameras[name]
    factor = size / max(camera.width, camera.height)
    return camera.resized(*(max(1, round(factor * x)) for x in (camera.width, camera.height)))


def repeated(camera: Cameras, frames: int) -> Cameras:
    """One camera [] for all frames [F]."""
    return Cameras(
        camera.K.expand(frames, 3, 3),
        camera.world_to_camera.expand(frames, 4, 4),
        camera.width,
        camera.height,
    )


def following_cameras(view: View, course: Course, joints: np.ndarray, size: int) -> Cameras:
    """The cameras [F] that follow a person, with square pictures in which all of it is, its joints
    being [F, 55, 3]. In the star pose the person stands before the camera."""
    away = float(np.abs(joints - course.looked_at()[:, None]).max())
    name = "front" if view.name == CANONICAL else view.name
    return film_cameras(course, name, size, focal=focal_of(away + BEYOND))
