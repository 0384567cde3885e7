"""What the networks see of a pose: the front map, whose pixels hold where their points are in it.

A pose's map is computed when it is asked for, from the joints' transforms. The release writes one
picture of floats a frame; that is the same numbers, 6 MB of them a frame at its size, in the place
of 4 kB of transforms, and a motion that nobody has prepared needs them anyway.
"""

from __future__ import annotations

from torch import Tensor

from hgm.body.kinematics import skin
from hgm.systems.animatable.canonical import CanonicalMaps


def position_map(canonical: CanonicalMaps, pose_transforms: Tensor) -> Tensor:
    """The maps [..., 3, S/2, S/2] of poses, on the device of the canonical ones.

    pose_transforms [..., 55, 4, 4]: of the joints from the star to the pose, without the root's
    rotation, translation and the fingers (`FrameTransforms.poses`). Every other pixel of a row and
    of a column is taken; a pixel holds the place of its point in meters from the maps' center, 0
    where nobody is. Differentiable.
    """
    pixels, points = canonical.coarse
    lead = pose_transforms.shape[:-3]
    size = canonical.size // 2
    places = skin(canonical.positions[points], canonical.weights[points], pose_transforms)
    picture = places.new_zeros(*lead, size * size, 3)
    picture = picture.index_copy(-2, pixels, places - canonical.center)
    return picture.unflatten(-2, (size, size)).movedim(-1, -3)
