"""The box around a scan, against the projection of hgm.cameras."""

import numpy as np
import pytest
import torch

from hgm.cameras import Cameras, look_at
from hgm.errors import ScanError
from hgm.render.border import PAD, Border, border_of

CAMERA = Cameras(
    torch.tensor([[170.0, 0, 80.3], [0, 150.0, 61.6], [0, 0, 1]]),
    look_at(torch.tensor([0.9, 0.5, 1.1]), torch.tensor([0.1, 0.0, 0.0])),
    160,
    120,
)


def box(points: np.ndarray) -> Border:
    return border_of(
        points,
        CAMERA.K.double().numpy(),
        CAMERA.world_to_camera.double().numpy(),
        CAMERA.width,
        CAMERA.height,
    )


def cube(half: float, *, center: tuple[float, float, float] = (0.1, 0.0, 0.0)) -> np.ndarray:
    return np.random.default_rng(0).uniform(-half, half, (500, 3)) + center


def test_it_is_the_projection_with_a_pad():
    points = cube(0.1)
    u, v = CAMERA.project(torch.from_numpy(points).float())[0].numpy().T
    expected = [
        int(np.floor(u.min())) - PAD,
        int(np.floor(v.min())) - PAD,
        int(np.ceil(u.max())) + PAD,
        int(np.ceil(v.max())) + PAD,
    ]
    found = box(points)
    assert [found.left, found.top, found.right, found.bottom] == expected and not found.cropped


def test_it_ends_with_the_image_and_says_what_is_cut_off():
    found = box(cube(0.1) + 0.62 * CAMERA.camera_to_world[:3, 0].numpy())  # to the right
    assert (
        found.cropped
        and found.right == 160
        and 120 < found.left < 160
        and 0 < found.top < found.bottom < 120
    )


def test_points_beside_or_behind_the_camera_take_the_whole_image():
    assert box(cube(3.0)) == Border(0, 0, 160, 120, cropped=True)


def test_a_scan_outside_the_image_is_refused():
    with pytest.raises(ScanError, match="outside the image"):
        box(cube(0.1) + 3 * CAMERA.camera_to_world[:3, 0].numpy())
