"""Motions as they drive an avatar: with the hands that are asked for, in the shape of its person
and in the world of its capture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hgm.body.extents import Extents, extents, grounded
from hgm.body.joints import ACROSS, BODY_NAMES
from hgm.body.model import BodyModel
from hgm.body.motion import CYCLES, Motion
from hgm.body.motion.files import is_amass
from hgm.body.motion.given import given_motion
from hgm.images.filming import Course

HandMode = Literal["ori", "fist", "zero"]
STANDING = tuple(name for name in CYCLES if name != "random")  # motions whose feet stand
COLLARS = 0.3  # radians that AMASS's collars are turned up, by which the arms stand off clothes
# a left fist, joint by joint: index, middle, pinky, ring, thumb
FINGER = ((0.0, 0.0, -1.2), (0.0, 0.0, -1.5), (0.0, 0.0, -1.0))
THUMB = ((0.5, -0.6, 0.2), (0.0, -0.5, 0.0), (0.0, -0.9, 0.0))
FIST = np.array([*FINGER, *FINGER, *FINGER, *FINGER, *THUMB], np.float32)  # [15, 3]


def with_hands(motion: Motion, hands: HandMode) -> Motion:
    """The motion with its own hands (`ori`), fists, or flat ones (`zero`)."""
    if hands == "ori":
        return motion
    left = FIST if hands == "fist" else np.zeros_like(FIST)
    left_rows, right_rows = (
        np.tile(hand.reshape(1, -1), (len(motion), 1)).astype(np.float32)
        for hand in (left, left * ACROSS)
    )
    return dataclasses.replace(motion, left_hand_pose=left_rows, right_hand_pose=right_rows)


def off_clothes(motion: Motion) -> Motion:
    """A motion of AMASS, whose bodies are bare, for somebody who is dressed (release): collars are
    turned up, wrists stay straight, and the head does not lean to a side."""
    body = motion.body_pose.reshape(len(motion), -1, 3).copy()
    body[:, BODY_NAMES.index("left_collar"), 2] += COLLARS
    body[:, BODY_NAMES.index("right_collar"), 2] -= COLLARS
    for name in ("left_wrist", "right_wrist"):
        body[:, BODY_NAMES.index(name)] = 0
    body[:, BODY_NAMES.index("head"), 2] = 0
    return dataclasses.replace(motion, body_pose=body.reshape(len(motion), -1))


def driving_motion(
    motion: str,
    like: Motion,
    model: BodyModel,
    *,
    hands: HandMode = "ori",
    frames: int = 90,
    fps: float = 30.0,
    seed: int = 0,
) -> Motion:
    """A motion by its name or file (`given_motion`) as it drives the avatar of a capture.

    like: the capture's own motion. The result has its shape and
    is placed as `in_world_of`; feet of motions that stand stay on the ground. Raises InputError for
    a motion that is not there, damaged or not finite.
    """
    given = given_motion(motion, frames, fps, seed)
    if Path(motion).is_file() and motion not in CYCLES and is_amass(motion):
        given = off_clothes(given)
    shaped = dataclasses.replace(with_hands(given, hands), betas=like.betas[:1])
    return in_world_of(like, shaped, model, standing=motion in STANDING)


def in_world_of(like: Motion, motion: Motion, model: BodyModel, *, standing: bool) -> Motion:
    """The motion turned and shifted as a whole, so that in its first frame the person stands where
    and faces as in the first one of `like`, on the same ground; both have one shape. standing: the
    lowest point is on the ground in each frame, whatever the legs that the motion was made for."""
    turn = _axes(like) @ _axes(motion).T
    pelvis = _pelvis(motion, model)
    # vertices are R (v - pelvis) + pelvis + transl, and are turned about the world's origin
    transl = (motion.transl + pelvis) @ turn.T - pelvis
    turned = Rotation.from_matrix(turn) * Rotation.from_rotvec(motion.global_orient)
    moved = dataclasses.replace(
        motion,
        global_orient=turned.as_rotvec().astype(np.float32),
        transl=transl.astype(np.float32),
    )
    up = _axes(like)[:, 1]
    there = _room(like[[0]], model)
    here = _room(moved if standing else moved[[0]], model)
    step = there.pelvis[0] - here.pelvis[0]
    levels = here.lowest(up)
    shift = step - (step @ up) * up + (there.lowest(up)[0] - levels[0]) * up
    lifts = grounded(levels, up) if standing else np.zeros(3)
    return dataclasses.replace(moved, transl=(transl + shift + lifts).astype(np.float32))


def course_of(transforms: Tensor, joints: Tensor) -> tuple[Course, np.ndarray]:
    """Where a person is in each frame of transforms [F, 55, 4, 4] from the star pose, whose joints
    are [55, 3]; and the joints [F, 55, 3] there. The star's root is not turned."""
    matrices = transforms.double().cpu().numpy()
    star = joints.double().cpu().numpy()
    places = (matrices[..., :3, :3] @ star[..., None])[..., 0] + matrices[..., :3, 3]
    return Course.of(places[:, 0], matrices[:, 0, :3, :3]), places


def _turns(motion: Motion) -> np.ndarray:
    """The rotations [F, 3, 3] of the root."""
    return np.asarray(Rotation.from_rotvec(motion.global_orient).as_matrix())


def _room(motion: Motion, model: BodyModel) -> Extents:
    return extents(model, motion.parameters(model)).moved(motion.transl.astype(np.float64))


def _pelvis(motion: Motion, model: BodyModel) -> np.ndarray:
    """The pelvis joint [1, 3] at rest, about which the body turns."""
    with torch.no_grad():
        params = motion[[0]].parameters(model)
        _, joints = model.shaped(params.betas, params.expression)
    return joints[:, 0].cpu().double().numpy()


def _axes(motion: Motion) -> np.ndarray:
    """Across, up and ahead in the first frame, as columns [3, 3]."""
    course = Course.of(motion.transl, _turns(motion))
    ahead = course.headings[0]
    return np.stack([np.cross(course.up, ahead), course.up, ahead], 1)
