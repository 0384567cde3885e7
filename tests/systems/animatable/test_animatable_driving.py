"""Motions as they drive an avatar: hands, shape, the world of the capture, the ground."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hgm.body.extents import extents
from hgm.body.joints import BODY_NAMES, HANDS
from hgm.body.model import BodyModel
from hgm.body.motion import Motion, cycle, write_motion
from hgm.errors import InputError
from hgm.images.filming import Course
from hgm.standin.body.core import write_models
from hgm.systems.animatable.driving import (
    COLLARS,
    course_of,
    driving_motion,
    in_world_of,
    off_clothes,
    with_hands,
)
from hgm.systems.animatable.frame_transforms import frame_transforms
from hgm.systems.animatable.star import star_body

BETAS = np.linspace(-1.5, 1.5, 10, dtype=np.float32)[None]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> BodyModel:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return BodyModel.load(folder, "male")


@pytest.fixture(scope="module")
def like() -> Motion:
    """A capture's motion in a world whose y points down, of a person of another shape."""
    found = dataclasses.replace(cycle("random", 4, seed=1), betas=BETAS)
    turn = Rotation.from_euler("zy", [180, 40], degrees=True)
    return dataclasses.replace(
        found,
        global_orient=(turn * Rotation.from_rotvec(found.global_orient))
        .as_rotvec()
        .astype(np.float32),
        transl=np.tile(np.float32([0.5, 1.3, -2.0]), (4, 1)),
    )


def room(motion: Motion, model: BodyModel):
    return extents(model, motion.parameters(model)).moved(motion.transl)


def test_hands_are_the_motion_s_fists_or_flat():
    motion = cycle("walk", 3)
    assert with_hands(motion, "ori") is motion
    assert not any(getattr(with_hands(motion, "zero"), name).any() for name in HANDS)
    left, right = (getattr(with_hands(motion, "fist"), n).reshape(3, 15, 3) for n in HANDS)
    assert np.array_equal(right, left * [1, -1, -1]) and (left[:, :12, 2] < -0.9).all()


def test_a_fist_closes(model):
    """Fingertips come near the wrist."""
    tips = [25 + 3 * k + 2 for k in range(4)]  # last joints of the left fingers
    away = {}
    for hands in ("zero", "fist"):
        motion = with_hands(cycle("walk", 1), hands)
        joints = model(motion.parameters(model)).joints[0]
        away[hands] = (joints[tips] - joints[20]).norm(dim=-1).mean()
    assert away["fist"] < 0.75 * away["zero"]


def test_bare_bodies_are_moved_off_clothes():
    motion = cycle("dance", 5)
    before, after = (m.body_pose.reshape(5, -1, 3) for m in (motion, off_clothes(motion)))
    collars = [BODY_NAMES.index(f"{side}_collar") for side in ("left", "right")]
    raised = after[:, collars, 2] - before[:, collars, 2]
    np.testing.assert_allclose(raised, [[COLLARS, -COLLARS]] * 5, atol=1e-6)
    wrists = [BODY_NAMES.index(f"{side}_wrist") for side in ("left", "right")]
    assert not after[:, wrists].any() and not after[:, BODY_NAMES.index("head"), 2].any()
    changed = (after != before).any((0, 2)).nonzero()[0]
    assert set(changed) <= {*collars, *wrists, BODY_NAMES.index("head")}


def test_a_motion_stands_where_the_capture_s_person_does(model, like):
    """Turned as a whole, on the same ground, with the capture's shape."""
    motion = dataclasses.replace(cycle("dance", 6, 10), betas=BETAS)
    placed = in_world_of(like, motion, model, standing=True)
    up = np.array([0.0, -1.0, 0.0])
    there, here = room(like[[0]], model), room(placed, model)
    level = (here.pelvis[0] - there.pelvis[0]) @ (np.eye(3) - np.outer(up, up))
    assert np.abs(level).max() < 1e-4
    assert np.abs(here.lowest(up) - there.lowest(up)[0]).max() < 1e-4  # all frames on the ground
    courses = [
        Course.of(m.transl, Rotation.from_rotvec(m.global_orient).as_matrix())
        for m in (like, placed)
    ]
    assert all(np.array_equal(course.up, up) for course in courses)
    assert courses[0].headings[0] @ courses[1].headings[0] > 1 - 1e-6
    # as a whole: every two frames relate as before
    a, b = (Rotation.from_rotvec(m.global_orient) for m in (motion, placed))
    np.testing.assert_allclose(
        (a[0].inv() * a[5]).as_matrix(), (b[0].inv() * b[5]).as_matrix(), atol=1e-5
    )


def test_a_file_keeps_its_jumps(model, like, tmp_path):
    motion = cycle("random", 4)
    jump = motion.transl.copy()
    jump[2, 1] += 0.4
    write_motion(tmp_path / "jump.npz", dataclasses.replace(motion, transl=jump))
    driven = driving_motion(str(tmp_path / "jump.npz"), like, model)
    assert np.array_equal(driven.betas, BETAS)
    up = np.array([0.0, -1.0, 0.0])
    still = driving_motion("random", like, model, frames=4)
    rise = (driven.transl - still.transl) @ up
    np.testing.assert_allclose(rise, [0, 0, 0.4, 0], atol=1e-4)


def test_the_avatar_s_joints_say_where_it_is(model, like):
    """From transforms alone, without posing a body."""
    star = star_body(model, torch.from_numpy(BETAS[0]))
    driven = frame_transforms(model, like, star.transforms)
    course, joints = course_of(driven.transforms, star.joints)
    body = model(like.parameters(model))
    wanted = body.joints.numpy() + like.transl[:, None]
    assert np.abs(joints - wanted).max() < 1e-3
    assert np.array_equal(course.up, [0, -1, 0]) and len(course) == 4


def test_what_is_no_motion_is_refused(model, like):
    with pytest.raises(InputError, match="--motion: jump is none of walk"):
        driving_motion("jump", like, model)


def test_amass_files_are_told_from_others(model, like, tmp_path: Path):
    motion = cycle("stretch", 3)
    poses = np.concatenate([motion.global_orient, motion.body_pose, np.zeros((3, 99))], 1)
    np.savez(
        tmp_path / "a.npz", poses=poses[:, :165], trans=np.zeros((3, 3)), mocap_frame_rate=30.0
    )
    driven = driving_motion(str(tmp_path / "a.npz"), like, model)
    wrist = BODY_NAMES.index("left_wrist")
    collar = BODY_NAMES.index("left_collar")
    body = driven.body_pose.reshape(3, -1, 3)
    given = motion.body_pose.reshape(3, -1, 3)
    assert not body[:, wrist].any()
    np.testing.assert_allclose(body[:, collar, 2], given[:, collar, 2] + COLLARS, atol=1e-5)
