"""Creases darken what is around bent elbows and knees, and nothing else."""

import itertools

import numpy as np
import pytest

from hgm.errors import InputError
from hgm.standin.actor import Actor
from hgm.standin.body.skeleton import JOINTS
from hgm.standin.creases import creases

HINGES = {"left_elbow": 0.13, "right_elbow": 0.13, "left_knee": 0.17, "right_knee": 0.17}


@pytest.fixture(scope="module")
def actor() -> Actor:
    return Actor.of(3, 128)


def bend(*joints: str, angle: float) -> dict[str, np.ndarray]:
    pose = np.zeros((21, 3))
    for joint in joints:
        pose[JOINTS.index(joint) - 1, 1] = angle
    return {"body_pose": pose.ravel()}


def test_there_are_none_at_rest_nor_by_other_joints(actor: Actor) -> None:
    assert (creases(actor, {}, 1.0) == 1).all()
    others = [name for name in JOINTS[1:22] if name not in HINGES]
    assert (creases(actor, bend(*others, angle=1.0), 1.0) == 1).all()


@pytest.mark.parametrize("joint", HINGES)
def test_they_are_around_the_bent_joint_alone(actor: Actor, joint: str) -> None:
    shade = creases(actor, bend(joint, angle=1.5), 1.0)
    distance = np.linalg.norm(actor.rest - actor.joints[JOINTS.index(joint)], axis=1)
    dark = shade < 1
    assert distance[dark].max() < HINGES[joint]
    assert (distance[~dark] >= HINGES[joint] * 0.999).all()
    assert shade.min() >= 0 and shade[distance < 0.5 * HINGES[joint]].max() < 0.6
    # the nearer the darker
    near = np.argsort(distance[dark])
    assert (np.diff(shade[dark][near]) >= -1e-12).all()


def test_they_darken_with_the_angle_and_with_the_strength(actor: Actor) -> None:
    steps = [creases(actor, bend("left_knee", angle=a), 1.0) for a in np.linspace(0, 3, 13)]
    falling = np.diff([shade.min() for shade in steps])
    assert (falling < 0).all()
    assert all((after <= before).all() for before, after in itertools.pairwise(steps))
    half, full = (creases(actor, bend("left_knee", angle=1.0), s) for s in (0.5, 1.0))
    np.testing.assert_allclose(1 - half, 0.5 * (1 - full), atol=1e-12)
    assert (creases(actor, bend("left_knee", angle=1.0), 0.0) == 1).all()


def test_turning_back_is_as_dark_as_turning_forth(actor: Actor) -> None:
    np.testing.assert_allclose(
        creases(actor, bend("left_elbow", angle=0.7)),
        creases(actor, bend("left_elbow", angle=-0.7)),
        atol=1e-12,
    )


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_outside_its_bounds_is_refused(actor: Actor, strength: float) -> None:
    with pytest.raises(InputError, match=r"strength: .* is not between 0 and 1"):
        creases(actor, {}, strength)
