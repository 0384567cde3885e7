"""Which views are what follows from the cameras: the rig, HuMMan's ten, other rigs, and those that
cannot serve."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bare_bodies import ten
from synthetic_scans import smpl_arrays, write_humman

from hgm.body.model import BodyModel
from hgm.cameras import Cameras, orbit
from hgm.errors import InputError
from hgm.images.viewpoints import Viewpoints, of_the_rig
from hgm.images.views import save_cameras
from hgm.scans.humman import humman_frame
from hgm.standin.body import core


def seen(cameras: Cameras) -> Viewpoints:
    return Viewpoints.of(cameras, "here")


def at(*azimuths: float, size: int = 32, elevation: float = 0.0, radius: float = 1.5) -> Cameras:
    """Cameras at these azimuths in degrees."""
    w2c = torch.cat(
        [orbit(1, start=a, elevation=elevation, radius=radius).world_to_camera for a in azimuths]
    )
    return Cameras(orbit(len(azimuths), size=size).K, w2c, size, size)


@pytest.mark.parametrize("size", [32, 100, 512])
def test_the_rig_has_the_papers_views(size: int) -> None:
    rig = of_the_rig(size)
    assert (rig.front, rig.back, rig.measured) == (0, 6, (0, 3, 6, 9))
    assert rig.ring == tuple(range(12)) and [rig.degrees(i) for i in range(12)] == list(
        range(0, 360, 30)
    )
    assert [rig.opposite(i) for i in range(12)] == [(i + 6) % 12 for i in range(12)]
    assert [rig.at(90), rig.at(-90), rig.at(179)] == [3, 9, 6]


def test_numbers_of_the_views_do_not_matter() -> None:
    order = [5, 9, 2, 0, 11, 3, 8, 1, 6, 10, 4, 7]
    rig = seen(orbit(size=32)[order])
    assert [order[i] for i in (rig.front, rig.back, *rig.measured)] == [0, 6, 0, 3, 6, 9]
    assert [order[i] for i in rig.ring] == list(range(12))


def test_where_the_rig_stands_to_the_centimeter_does_not_matter() -> None:
    """Renders of other programs, a little off."""
    for rig in (
        orbit(size=32, elevation=8),
        orbit(size=32, radius=2),
        orbit(size=32, focal=0.9),
        orbit(size=32, start=2),
    ):
        assert (seen(rig).front, seen(rig).back, seen(rig).measured) == (0, 6, (0, 3, 6, 9))


def test_the_kinects_of_humman(tmp_path: Path) -> None:
    """Where each stands to the person, from the person's vertices in the world of the files."""
    model = BodyModel(core.model("neutral"))
    (tmp_path / "smpl").mkdir()
    np.savez(tmp_path / "smpl" / "SMPL_NEUTRAL.npz", **smpl_arrays(model))
    for seed in (5, 6):
        vertices = write_humman(tmp_path, f"p00000{seed}_a000001", model, seed=seed)
        frame = humman_frame(tmp_path, f"p00000{seed}_a000001", model, tmp_path)
        facing = _facing(model, vertices)
        eyes = np.stack([-R.T @ T for _, R, T in frame._stored]) - vertices.mean(0)
        cosines = eyes @ facing / np.linalg.norm(eyes, axis=1)
        views = seen(frame.cameras)
        assert views.front == cosines.argmax() and views.back == cosines.argmin()
        # every view but the input's own
        assert views.measured == tuple(i for i in range(10) if i != views.front)


def _facing(model: BodyModel, vertices: np.ndarray) -> np.ndarray:
    """Where a posed body [10475, 3] faces: the turn that brings the trunk at rest, which faces +z,
    onto its own."""
    rest = model.shaped(torch.zeros(10))[0].double().numpy()
    trunk = (np.abs(rest[:, 1] - rest[:, 1].mean()) < 0.25) & (np.abs(rest[:, 0]) < 0.2)
    a = rest[trunk] - rest[trunk].mean(0)
    b = vertices[trunk] - vertices[trunk].mean(0)
    u, _, vt = np.linalg.svd(a.T @ b)
    turn = (u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt).T  # Kabsch: rest -> world
    return turn @ np.array([0.0, 0.0, 1.0])


def test_ten_cameras_anyhow() -> None:
    views = seen(ten(32))
    assert (views.front, views.back) == (7, 2) and views.measured == (0, 1, 2, 3, 4, 5, 6, 8, 9)
    assert views.ring == (7, 8, 9, 0, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("azimuths", "front", "back", "measured"),
    [
        ((0, 180), 0, 1, (1,)),
        ((200, 10), 1, 0, (0,)),
        ((0, 90, 180, 270), 0, 2, (0, 1, 2, 3)),
        ((45, 135, 225, 315), 0, 2, (0, 1, 2, 3)),  # two are equally near: the first
        ((0, 45, 90, 135, 180, 225, 270, 315), 0, 4, (0, 2, 4, 6)),
        ((0, 40, 80, 120, 160, 200, 240, 280, 320), 0, 4, tuple(range(1, 9))),
        ((0, 20, 90, 180), 0, 3, (1, 2, 3)),  # four, but not evenly
        ((0, 0, 90, 90, 180, 180, 270, 270), 0, 4, tuple(range(1, 8))),  # two rings
    ],
)
def test_other_rigs(
    azimuths: tuple[int, ...], front: int, back: int, measured: tuple[int, ...]
) -> None:
    views = seen(at(*azimuths))
    assert (views.front, views.back, views.measured) == (front, back, measured)


@pytest.mark.parametrize("count", [4, 8, 12, 16])
@pytest.mark.parametrize("lean", [0.0, 30.0])
def test_a_person_who_leans_is_measured_in_four_views_of_an_even_ring_too(
    count: int, lean: float
) -> None:
    ring = orbit(count, size=32)
    turn = torch.eye(4)
    turn[1:3, 1:3] = torch.tensor(
        [
            [math.cos(math.radians(lean)), -math.sin(math.radians(lean))],
            [math.sin(math.radians(lean)), math.cos(math.radians(lean))],
        ]
    )
    tilted = Cameras(ring.K, ring.world_to_camera @ turn, 32, 32)
    assert seen(tilted).measured == tuple(range(0, count, count // 4))


@pytest.mark.parametrize(
    ("cameras", "words"),
    [
        (at(0), "here: 1 view, expected two or more"),
        (
            at(70, 250),
            "here: no view of the front: view 0 is the nearest, 70 degrees from straight ahead, "
            "expected 60 at most",
        ),
        (at(120, 150, 180, 240), "no view of the front: view 0 is the nearest, 120 degrees"),
        (
            at(0, 90, 120),
            "no view of the back: view 2 is the nearest, 60 degrees from opposite of the front "
            "view 0, expected 45",
        ),
        (replace(at(0, 180), height=20), "pictures of 32 x 20 pixels, expected square ones"),
        (
            Cameras(orbit(2, size=32).K, torch.eye(4).repeat(2, 1, 1), 32, 32),
            "the camera of view 0 stands in the pelvis",
        ),
    ],
    ids=["one", "sideways", "behind", "no back", "oblong", "inside"],
)
def test_what_cannot_serve_is_one_line(cameras: Cameras, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        seen(cameras)
    save_cameras(tmp_path, cameras)
    with pytest.raises(InputError) as caught:
        Viewpoints.read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ") and "\n" not in str(caught.value)
