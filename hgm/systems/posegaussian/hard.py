"""Persons of the hard part: stand-ins who cross their arms or hold their hands before the body, so
that the views of a pair see different parts of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hgm.core.keys import derived_seed
from hgm.standin.actor import Actor, frame_of
from hgm.standin.assets import load_assets
from hgm.standin.body.pose import Template, pose_of
from hgm.systems.posegaussian.keypoints import keypoints_of

POSES: Mapping[str, Template] = {
    "arms_crossed": Template(1, {
        "l_shoulder": (0.6, -0.9, -1.0), "r_shoulder": (0.6, -1.0, -0.9),
        "l_elbow": (0, -2.1, 0), "r_elbow": (0, -2.0, 0),
    }),
    "hands_before": Template(1, {"shoulder": (0.2, -0.8, -0.85), "elbow": (0, -1.2, 0)}),
}  # fmt: skip


@dataclass(frozen=True)
class HardStandin:
    """A stand-in in a hard pose; meters, y up, facing +z."""

    actor: Actor
    vertices: np.ndarray  # [V, 3]
    keypoints: np.ndarray  # [17, 3], of COCO

    @classmethod
    def of(cls, scan: str, texture: int) -> HardStandin:
        """The person of a stand-in scan, whose name is its seed; the pose is drawn for it."""
        actor = Actor.of(int(scan), texture)
        random = np.random.default_rng(derived_seed("hard", scan))
        template = POSES[str(random.choice(list(POSES)))]
        pose = pose_of(template, random, mirrored=bool(random.random() < 0.5))
        posed = actor.body_in(frame_of({"body_pose": pose.ravel()}))
        skeleton = load_assets().skeleton
        body = posed.carry(posed.rest, skeleton.weights)
        joints = np.einsum("jab,jb->ja", posed.transforms[..., :3], posed.joints)
        keypoints = keypoints_of(body, joints + posed.transforms[..., 3])
        return cls(actor, np.concatenate(actor.places(posed)), keypoints)
