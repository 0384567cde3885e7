"""Cameras that follow a person."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hgm.errors import InputError
from hgm.images.filming import DISTANCE, FOLLOWING, TURN, Course, film_cameras, focal_of

PICTURES = 40


def walked(turn: Rotation | None = None) -> Course:
    """Two meters ahead, nodding, and turning left by 90 degrees; in a world that is turned."""
    turn = Rotation.identity() if turn is None else turn
    angles = np.linspace(0, np.pi / 2, PICTURES)
    turns = Rotation.from_euler("yx", np.stack([angles, 0.2 * np.sin(9 * angles)], 1))
    places = np.stack([0.03 * np.sin(angles * 8), 0.9 + 0 * angles, np.linspace(0, 2, PICTURES)], 1)
    return Course.of(turn.apply(places), (turn * turns).as_matrix())


@pytest.mark.parametrize("view", FOLLOWING)
@pytest.mark.parametrize("down", [False, True])
def test_the_person_is_upright_and_in_the_middle(view, down):
    """Whichever axis of the world is up."""
    course = walked(Rotation.from_euler("z", 180, degrees=True) if down else None)
    assert np.array_equal(course.up, [0, -1 if down else 1, 0])
    cameras = film_cameras(course, view, 100)
    head = torch.from_numpy(course.places + 0.7 * course.up).float()[:, None]
    pelvis = torch.from_numpy(course.places).float()[:, None]
    top, middle = (cameras.project(points)[0][:, 0] for points in (head, pelvis))
    assert (middle - 50).abs().max() < 6 and (top[:, 1] < 35).all()
    assert (top[:, 0] - middle[:, 0]).abs().max() < 1e-2
    away = cameras.centers - torch.from_numpy(course.looked_at()).float()
    assert (away.norm(dim=-1) - DISTANCE).abs().max() < 1e-4


def test_cameras_stand_where_their_names_say():
    course = walked()
    sides = {}
    for view in FOLLOWING:
        away = film_cameras(course, view, 100).centers.numpy() - course.looked_at()
        sides[view] = away / DISTANCE
    ahead = course.headings
    np.testing.assert_allclose(ahead[0], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(ahead[-1], [1, 0, 0], atol=1e-6)
    assert np.allclose(sides["front"], ahead[0], atol=1e-4)
    assert np.allclose(sides["back"], -ahead[0], atol=1e-4)
    assert np.allclose(sides["moving"], ahead, atol=1e-4)
    assert np.allclose(sides["free"][0], ahead[0], atol=1e-4)
    # counted from the first picture towards the person's left, +x
    turned = np.arctan2(sides["free"][:, 0], sides["free"][:, 2])
    np.testing.assert_allclose(turned, 2 * np.pi * np.arange(PICTURES) / TURN, atol=1e-4)


def test_who_lies_down_has_a_heading_too():
    flat = Rotation.from_euler("x", -90, degrees=True).as_matrix()[None].repeat(3, 0)
    course = Course.of(np.zeros((3, 3)), flat)
    lengths = np.linalg.norm(course.headings, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    assert np.abs(course.headings @ course.up).max() < 1e-6


def test_a_long_reach_widens_the_picture():
    assert focal_of(0.9) == focal_of(0.1) > focal_of(1.4)
    course = walked()
    cameras = film_cameras(course, "front", 100, focal=focal_of(1.4))
    point = torch.from_numpy(course.looked_at() + 1.4 * course.up).float()[:, None]
    assert (cameras.project(point)[0][..., 1] > 0).all()


def test_another_view_is_refused():
    with pytest.raises(InputError, match="--view: above is none of free, front, back, moving"):
        film_cameras(walked(), "above", 64)
