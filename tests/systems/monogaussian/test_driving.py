"""What drives an avatar: sweeps, orbits, clips and bodies' motions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from head_clips import random_clip

from hgm.body.motion import Motion, cycle
from hgm.errors import InputError
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.driving import Driving


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Its first five expressions move, the third the most, and its camera looks at the origin."""
    made = random_clip(tmp_path)
    made.expression[:, 5:] = 0.25
    made.expression[:, 2] *= 3
    made.world_to_camera[:] = np.diag([1, -1, -1, 1])
    made.world_to_camera[:, 2, 3] = 4
    return made


def test_a_sweep_moves_one_expression_at_a_time(clip: Clip) -> None:
    sweep = Driving.sweep(clip, 40)
    assert len(sweep) == 40 and sweep.names[:2] == ("1", "2")
    mean, deviation = clip.expression.mean(0), clip.expression.std(0)
    away = np.abs(sweep.expression - mean) > 1e-5
    assert (away.sum(1) <= 1).all() and away.any(0).sum() == 5
    order = [int(np.flatnonzero(away[8 * k : 8 * k + 8].any(0))[0]) for k in range(5)]
    assert order == sorted(range(5), key=lambda i: -deviation[i]) and order[0] == 2
    reached = np.abs(sweep.expression - mean).max(0)
    np.testing.assert_allclose(reached[:5], 2 * deviation[:5], rtol=1e-4)
    np.testing.assert_allclose(sweep.pose, clip.pose.mean(0)[None].repeat(40, 0), atol=1e-6)
    assert np.array_equal(sweep.world_to_camera, clip.world_to_camera[:1].repeat(40, 0))


@pytest.mark.parametrize("frames", [2, 6, 7, 90])
def test_a_sweep_has_as_many_frames_as_are_asked_for(clip: Clip, frames: int) -> None:
    assert Driving.sweep(clip, frames).expression.shape == (frames, 50)


def test_a_face_that_never_moves_cannot_be_swept(clip: Clip) -> None:
    clip.expression[:] = 0.25
    with pytest.raises(InputError, match="no expression moves"):
        Driving.sweep(clip, 10)


def test_an_orbit_goes_round_the_head_at_one_distance(clip: Clip) -> None:
    orbit = Driving.orbit(clip, 36)
    cameras = orbit.cameras(100)
    centers = cameras.centers.numpy()
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 4, rtol=1e-5)
    # each camera looks at the origin, and stands upright
    np.testing.assert_allclose(orbit.world_to_camera[:, :2, 3], 0, atol=1e-5)
    assert (orbit.world_to_camera[:, 1, 1] < -0.9).all()
    assert np.abs(orbit.world_to_camera[:, 0, 1]).max() < 1e-6
    sideward = np.degrees(np.arctan2(centers[:, 0], centers[:, 2]))
    upward = np.degrees(np.arcsin(centers[:, 1] / 4))
    assert abs(sideward.max() - 35) < 0.5 and abs(sideward.min() + 35) < 0.5
    assert abs(upward.max() - 12) < 0.5 and abs(upward.min() + 12) < 0.5
    assert sideward[9] > 34  # the person's left first
    np.testing.assert_allclose(
        orbit.expression, clip.expression.mean(0)[None].repeat(36, 0), atol=1e-6
    )


def test_an_orbit_keeps_a_head_that_is_off_the_axis_of_the_camera_at_its_side(clip: Clip) -> None:
    clip.world_to_camera[:, 0, 3] = 0.3
    orbit = Driving.orbit(clip, 12)
    centers = orbit.cameras(100).centers.numpy()
    # the ellipse is about the point of the camera's axis beside the origin
    np.testing.assert_allclose(np.linalg.norm(centers - [-0.3, 0, 0], axis=1), 4, rtol=1e-5)


def test_a_clip_drives_as_it_is(clip: Clip) -> None:
    driving = Driving.from_clip(clip)
    for name in ("expression", "pose", "world_to_camera"):
        assert np.array_equal(getattr(driving, name), getattr(clip, name))
    assert driving.names == clip.names
    assert np.array_equal(driving.cameras(64).K, clip.cameras(64).K)


def test_a_body_drives_by_its_neck_head_jaw_and_eyes(clip: Clip) -> None:
    motion = cycle("random", 30, seed=3)
    rng = np.random.default_rng(0)
    body = motion.body_pose.copy()
    body[:, 33:36] = rng.normal(0, 0.1, (30, 3))  # neck: the twelfth of SMPL-X's joints
    motion = Motion.of(
        global_orient=np.full((30, 3), 0.3),
        body_pose=body,
        jaw_pose=motion.jaw_pose,
        leye_pose=rng.normal(0, 0.1, (30, 3)),
        expression=motion.expression,
        fps=30,
    )
    driving = Driving.from_motion(motion, clip)
    assert np.array_equal(driving.pose[:, :3], motion.body_pose[:, 33:36])
    assert np.array_equal(driving.pose[:, 3:6], motion.body_pose[:, 42:45])  # head: the fifteenth
    assert np.array_equal(driving.pose[:, 6:9], motion.jaw_pose)
    assert np.array_equal(driving.pose[:, 9:12], motion.leye_pose)
    assert not driving.pose[:, 12:].any() and driving.pose[:, 3:9].any()
    assert np.array_equal(driving.expression[:, :10], motion.expression)
    assert not driving.expression[:, 10:].any()


@pytest.mark.parametrize("name", ["expression", "pose", "world_to_camera"])
def test_a_driver_of_numbers_that_are_not_finite_is_refused(clip: Clip, name: str) -> None:
    getattr(clip, name)[6].flat[3] = np.nan
    with pytest.raises(InputError, match=rf"{name} of frame 7 holds numbers that are not finite"):
        Driving.from_clip(clip)


def test_a_driver_of_other_widths_or_no_frames_is_refused(clip: Clip) -> None:
    driving = Driving.from_clip(clip)
    with pytest.raises(InputError, match=r"expression is \[24, 100\], expected \[24, 50\]"):
        dataclasses.replace(driving, expression=np.zeros((24, 100), np.float32))
    with pytest.raises(InputError, match="no frames"):
        dataclasses.replace(driving, names=())
