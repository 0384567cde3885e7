"""Creases: a stated darkening of an actor around its bent elbows and knees.

A picture without light of skinned pieces shows the same color at a point in every pose. Creases
make the color depend on the pose, by a formula that a learned avatar can be measured against.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hgm.errors import InputError
from hgm.standin.actor import Actor, frame_of
from hgm.standin.body.skeleton import INDEX

# meters from the joint, at rest, within which a crease shows
REACH = {"left_elbow": 0.13, "right_elbow": 0.13, "left_knee": 0.17, "right_knee": 0.17}
BENT = 0.8  # radians at which a crease has 1 - 1/e of its depth


def creases(
    actor: Actor, parameters: Mapping[str, np.ndarray], strength: float = 0.7
) -> np.ndarray:
    """Factor [V] in 0-1 for the color at an actor's vertices, for one frame of SMPL-X parameters as
    `Actor.posed` takes it.

    It is the product over elbows and knees of

        1 - strength * (1 - exp(-(angle / BENT)^2)) * max(0, 1 - (distance / REACH)^2)^2

    with the angle in radians by which the joint is turned, and the distance in meters of the vertex
    from the joint, both at rest. So it is 1 everywhere at rest and always 1 away from the joints,
    and falls as a joint bends. Raises InputError for a strength outside 0-1 and for parameters that
    `Actor.posed` refuses.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"strength: {strength} is not between 0 and 1")
    body_pose = frame_of(parameters)["body_pose"].reshape(-1, 3)
    factor = np.ones(len(actor.rest))
    for name, reach in REACH.items():
        joint = INDEX[name]
        angle = np.linalg.norm(body_pose[joint - 1])  # the pelvis is not in the body's pose
        distance = np.linalg.norm(actor.rest - actor.joints[joint], axis=1)
        near = np.maximum(0, 1 - (distance / reach) ** 2) ** 2
        factor *= 1 - strength * (1 - np.exp(-((angle / BENT) ** 2))) * near
    return factor
