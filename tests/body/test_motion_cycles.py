"""Motions made by formulas: people who move as people do, and random ones whose parameters do not
correlate."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from hgm.body.joints import ACROSS, BODY_NAMES, LIMITS, split_joint
from hgm.body.model import BodyModel
from hgm.body.motion import CYCLES, Motion, cycle
from hgm.body.motion.curves import Channel, independent_curves
from hgm.errors import InputError

NUMBERS = (
    "global_orient",
    "body_pose",
    "jaw_pose",
    "leye_pose",
    "reye_pose",
    "left_hand_pose",
    "right_hand_pose",
    "expression",
    "transl",
)


@pytest.fixture(scope="module")
def neutral(models: Path) -> BodyModel:
    return BodyModel.load(models, "neutral")


def posed(model: BodyModel, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints by frame, in meters."""
    with torch.no_grad():
        body = model(motion.parameters(model))
    place = motion.transl[:, None]
    return body.vertices.numpy() + place, body.joints.numpy() + place


def of_joints(model: BodyModel, *words: str) -> np.ndarray:
    """The vertices that move most with joints whose names hold one of the words."""
    most = model.skinning_weights.argmax(1).numpy()
    return np.flatnonzero(
        np.isin(most, [i for i, n in enumerate(model.joint_names) if any(w in n for w in words)])
    )


def channels(motion: Motion) -> np.ndarray:
    """All columns that move, [F, C]."""
    columns = np.concatenate([getattr(motion, name) for name in NUMBERS], 1).astype(np.float64)
    return columns[:, np.ptp(columns, axis=0) > 1e-6]


def test_nothing_correlates_in_a_random_motion() -> None:
    """In any 60 frames of it, for any seed."""
    for seed in range(100):
        moving = channels(cycle("random", 180, seed=seed))
        assert moving.shape[1] >= 16
        for start in (0, 31, 60, 120):
            matrix = np.corrcoef(moving[start : start + 60].T)
            np.fill_diagonal(matrix, 0)
            assert np.abs(matrix).max() < 0.3, (seed, start)


def test_a_random_motion_moves_limbs_jaw_and_expression_far() -> None:
    motion = cycle("random", 60, seed=5)
    bent = np.ptp(motion.body_pose, axis=0).reshape(-1, 3).max(1)
    for part in ("shoulder", "elbow", "hip", "knee"):
        for side in ("left", "right"):
            assert bent[BODY_NAMES.index(f"{side}_{part}")] > 0.6, (side, part)
    assert np.ptp(motion.jaw_pose) > 0.2
    assert (np.ptp(motion.expression, axis=0) > 2).sum() == 4
    assert motion.jaw_pose.min() >= 0


@pytest.mark.parametrize("name", CYCLES)
def test_joints_stay_within_their_limits(name: str) -> None:
    for seed in range(20):
        pose = cycle(name, 90, 15.0, seed).body_pose.reshape(90, -1, 3)
        for index, joint in enumerate(BODY_NAMES):
            side, _, family = split_joint(joint)
            angles = pose[:, index] * (ACROSS if side == "r" else 1)
            low, high = LIMITS[family].low, LIMITS[family].high
            assert (angles >= np.array(low) - 1e-6).all(), joint
            assert (angles <= np.array(high) + 1e-6).all(), joint


@pytest.mark.parametrize("name", [name for name in CYCLES if name != "random"])
def test_feet_stand_on_the_ground_and_hands_stay_outside_the_body(
    name: str, neutral: BodyModel
) -> None:
    vertices, _ = posed(neutral, cycle(name, 48, 16.0, seed=1))
    ground = float(neutral.v_template[:, 1].min())
    lowest = vertices[..., 1].min(1) - ground
    assert lowest.min() > -0.01 and lowest.max() < 0.015
    hands = of_joints(neutral, "wrist", "index", "middle", "pinky", "ring", "thumb")
    trunk = of_joints(neutral, "pelvis", "hip", "spine", "knee", "neck", "head")
    for body in vertices[::3]:
        assert cKDTree(body[trunk]).query(body[hands])[0].min() > 0.03


def test_a_walk(neutral: BodyModel) -> None:
    motion = cycle("walk", 240, 60.0, seed=2)
    _, joints = posed(neutral, motion)
    at = {name: joints[:, i] - joints[:, 0] for i, name in enumerate(neutral.joint_names)}
    legs = at["left_ankle"][:, 2] - at["right_ankle"][:, 2]
    arms = at["left_wrist"][:, 2] - at["right_wrist"][:, 2]
    assert np.corrcoef(legs, arms)[0, 1] < -0.8  # in opposition
    assert 0.4 < legs.max() < 1.0 and abs(legs.max() + legs.min()) < 0.05
    for side in ("left", "right"):  # a shin never points forward of its thigh
        thigh = at[f"{side}_knee"] - at[f"{side}_hip"]
        shin = at[f"{side}_ankle"] - at[f"{side}_knee"]
        bent = np.arctan2(shin[:, 2], -shin[:, 1]) - np.arctan2(thigh[:, 2], -thigh[:, 1])
        assert bent.max() < 0.1 and bent.min() < -0.8
    steps = np.flatnonzero((legs[1:] > 0) & (legs[:-1] <= 0))
    assert np.all(np.abs(np.diff(steps) / 60 - 1.05) < 0.1)  # seconds from step to step of a leg
    bob = joints[:, 0, 1]
    assert 0.01 < np.ptp(bob) < 0.07
    rises = np.flatnonzero((np.diff(bob)[1:] <= 0) & (np.diff(bob)[:-1] > 0))
    assert len(rises) >= 2 * (len(steps) - 1)  # at least once a step
    assert np.abs(joints[:, 0, [0, 2]]).max() < 0.2  # on the spot


def test_feet_that_carry_do_not_slip(neutral: BodyModel) -> None:
    """Soles that are on the ground in two frames move at less than 4 cm/s between them, while the
    body goes at more than a meter a second."""
    motion = cycle("walk", 90, 60.0, seed=3, travel=True)
    vertices, joints = posed(neutral, motion)
    assert 1.0 < (joints[-1, 0, 2] - joints[0, 0, 2]) / motion.duration < 1.6
    height = vertices[..., 1] - float(neutral.v_template[:, 1].min())
    seen = set()
    for side in ("left", "right"):
        sole = of_joints(neutral, f"{side}_ankle", f"{side}_foot")
        for now in range(len(motion) - 1):
            down = sole[(height[now : now + 2, sole] < 0.006).all(0)]
            if len(down) > 20:
                moved = np.median(vertices[now + 1, down] - vertices[now, down], axis=0)
                assert np.linalg.norm(moved[[0, 2]]) * 60 < 0.04, (side, now)
                seen.add((side, now))
    assert len(seen) > 45


@pytest.mark.parametrize("name", CYCLES)
def test_a_seed_says_all(name: str) -> None:
    first, again, other = (cycle(name, 40, seed=seed) for seed in (7, 7, 8))
    for key, value in vars(first).items():
        assert np.array_equal(getattr(again, key), value), key
    assert np.abs(other.body_pose - first.body_pose).max() > 0.05
    assert len(first) == 40 and first.fps == 30
    longer = cycle(name, 50, seed=7)
    assert np.abs(longer.body_pose[:40] - first.body_pose).max() < 1e-6


def test_a_motion_of_one_frame() -> None:
    for name in CYCLES:
        motion = cycle(name, 1)
        assert len(motion) == 1 and np.isfinite(channels(motion)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", 10), "motion: 'run' is not one of walk, wave, dance, squat, stretch, random"),
        (("walk", 0), "motion walk: frames is 0, expected a whole number from 1 on"),
        (("walk", 2.5), r"motion walk: frames is 2\.5, expected a whole number from 1 on"),
        (("walk", "ten"), "motion walk: frames is ten, expected a whole number"),
        (("walk", 10, 30.0, -1), "motion walk: seed is -1, expected a whole number from 0 on"),
        (("walk", 10, 30.0, 0.5), r"motion walk: seed is 0\.5, expected a whole number"),
        (("walk", 10, 0.0), r"motion walk: fps is 0\.0, expected a positive number"),
        (("walk", 10, float("nan")), "motion walk: fps is nan"),
        (("walk", 10, "fast"), "motion walk: fps is fast, expected a positive number"),
    ],
)
def test_bad_requests(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cycle(*arguments)


@pytest.mark.parametrize("name", sorted(set(CYCLES) - {"walk"}))
def test_only_a_walk_travels(name: str) -> None:
    with pytest.raises(InputError, match=f"motion {name}: it cannot travel, only walk can"):
        cycle(name, 10, travel=True)


def test_numbers_of_numpy_are_numbers() -> None:
    given = cycle("walk", np.int64(4), np.float32(25), np.uint8(3))  # type: ignore
    assert np.array_equal(given.body_pose, cycle("walk", 4, 25.0, 3).body_pose)


def test_no_torch_is_loaded_for_a_motion() -> None:
    """A job that only moves and draws a stand-in has no use for it."""
    code = (
        "import sys; from hgm.body.motion import cycle; cycle('walk', 3).resampled(15); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_curves_of_independent_channels_do_not_correlate_from_their_window_on() -> None:
    those = [Channel("pose", i, -1.0, 2.0) for i in range(14)]
    for seed in range(8):
        for frames in (40, 47, 63, 80, 100, 120, 600):
            rng = np.random.default_rng(seed)
            curves = independent_curves(those, frames, rng, window=40)
            matrix = np.corrcoef(curves.T)
            np.fill_diagonal(matrix, 0)
            assert np.abs(matrix).max() < 0.3, (seed, frames)
            assert curves.min() >= -1 and curves.max() <= 2 and (np.ptp(curves, 0) > 2).all()
