"""Motions: frames of them, another rate, one after the other."""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import expm, logm

from hgm.body.motion import Motion, cycle
from hgm.geometry.rotations import rotation_matrices


def some(frames: int = 6, fps: float = 20.0, **changes: np.ndarray) -> Motion:
    rng = np.random.default_rng(frames)
    arrays = {
        "global_orient": rng.normal(0, 0.8, (frames, 3)),
        "body_pose": rng.normal(0, 0.3, (frames, 63)),
        "left_hand_pose": rng.normal(0, 0.3, (frames, 45)),
        "expression": rng.normal(0, 1, (frames, 10)),
        "transl": rng.normal(0, 1, (frames, 3)),
    }
    return Motion.of(**{**arrays, **changes}, fps=fps)


def test_frames() -> None:
    motion = some()
    assert len(motion) == 6 and motion.duration == pytest.approx(0.25)
    assert np.array_equal(motion[1:4].body_pose, motion.body_pose[1:4])
    assert np.array_equal(motion[-1].transl, motion.transl[5:])
    assert np.array_equal(motion[[4, 0]].expression, motion.expression[[4, 0]])
    assert motion[2:].betas.shape == (1, 10) and motion[2:].fps == 20
    shapes = np.arange(60.0).reshape(6, 10)
    assert np.array_equal(some(betas=shapes)[2:4].betas, shapes[2:4])
    with pytest.raises(IndexError):
        motion[6]
    with pytest.raises(ValueError, match="no frames"):
        motion[3:3]


def test_another_rate_goes_the_shortest_way() -> None:
    """Half-way between two frames every joint has turned half of the rotation between them, by the
    logarithm of matrices; the rest is the mean."""
    motion = some()
    twice = motion.resampled(40.0)
    assert len(twice) == 11 and twice.fps == 40
    assert np.abs(twice[::2].body_pose - motion.body_pose).max() < 1e-5
    for name in ("global_orient", "body_pose", "left_hand_pose"):
        whole = rotation_matrices(getattr(motion, name).reshape(6, -1, 3))
        between = rotation_matrices(getattr(twice, name).reshape(11, -1, 3)[1::2])
        for frame in range(5):
            for joint in range(whole.shape[1]):
                start, end = whole[frame, joint], whole[frame + 1, joint]
                half = start @ expm(logm(start.T @ end).real / 2)
                assert np.abs(between[frame, joint] - half).max() < 1e-5
    for name in ("transl", "expression"):
        rows = getattr(motion, name)
        assert np.abs(getattr(twice, name)[1::2] - (rows[1:] + rows[:-1]) / 2).max() < 1e-6
    assert np.array_equal(twice.betas, motion.betas)


def test_a_lower_rate_keeps_the_moments() -> None:
    motion = cycle("dance", 121, 120.0)
    third = motion.resampled(30.0)
    assert len(third) == 31
    assert np.abs(third.body_pose - motion.body_pose[::4]).max() < 1e-5
    assert (
        len(motion.resampled(7.0)) == 8
    )  # the last moment is 1 s; 7 frames fill it and one starts it
    assert len(motion[0].resampled(5.0)) == 1
    with pytest.raises(ValueError, match="fps is 0, expected a positive number"):
        motion.resampled(0)


def test_shapes_by_frame_are_resampled_too() -> None:
    motion = some(betas=np.arange(60.0).reshape(6, 10)).resampled(40.0)
    assert np.allclose(motion.betas[:, 0], np.arange(11) * 5)


def test_joined() -> None:
    first, second = some(4), some(3)
    both = Motion.joined([first, second])
    assert len(both) == 7 and both.betas.shape == (1, 10)
    assert np.array_equal(both[4:].body_pose, second.body_pose)
    other = some(3, betas=np.ones((1, 10)))
    mixed = Motion.joined([first, other])
    assert mixed.betas.shape == (7, 10)
    assert not mixed.betas[:4].any() and (mixed.betas[4:] == 1).all()
    for parts, message in (
        ([], "no motions"),
        ([first, some(3, fps=25.0)], "motions of 20, 25 fps; resample"),
        ([first, some(3, betas=np.ones((1, 16)))], r"betas has \[10, 16\] coefficients"),
        ([first, some(3, expression=np.ones((3, 5)))], r"expression has \[10, 5\] coefficients"),
    ):
        with pytest.raises(ValueError, match=message):
            Motion.joined(parts)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_is_positive(fps: float) -> None:
    with pytest.raises(ValueError, match=r"fps is .*, expected a positive number"):
        dataclasses.replace(some(), fps=fps)
