"""Gaussians of a person who moves, in the world of files: y up, the pelvis at the origin, facing z,
in normalized units. Viewers then show the person upright and in the middle."""

from __future__ import annotations

import numpy as np

from hgm.body.canonical import UNITS_PER_METER
from hgm.gaussians import Gaussians
from hgm.images.filming import Course


def upright(gaussians: Gaussians, course: Course, frame: int) -> Gaussians:
    """Gaussians [N], meters in the world of a film's course, as they are in one of its frames."""
    ahead, place = course.headings[frame], course.places[frame]
    axes = np.stack([np.cross(course.up, ahead), course.up, ahead])
    return gaussians.transformed(
        gaussians.means.new_tensor(axes),
        scale=UNITS_PER_METER,
        shift=gaussians.means.new_tensor(-UNITS_PER_METER * axes @ place),
    )
