"""Silhouettes and their overlap against shapes whose outlines are known."""

import numpy as np
import pytest
import torch

from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.errors import ScanError
from hgm.geometry.sampling import spread_points
from hgm.scans.check import check_views
from hgm.scans.silhouettes import outside, shared, silhouettes, small


def square(x: float, edge: float) -> np.ndarray:
    """Points of a square across the z axis, its left edge at x."""
    vertices = np.array([[x, 0, 0], [x + edge, 0, 0], [x + edge, edge, 0], [x, edge, 0]])
    return spread_points(vertices, np.array([[0, 1, 2], [0, 2, 3]]))


def test_a_square_covers_its_pixels() -> None:
    """At 1.5 units a unit is 0.8 / 1.5 of the image's 128 pixels: half a unit is 34.1 pixels, from
    the middle on."""
    rig = small(orbit(2, size=512))
    front, back = silhouettes(square(0, 0.5), rig)
    ys, xs = np.nonzero(front)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (
        64,
        98,
        29,
        63,
    ) and front.sum() > 0.99 * 35 * 35
    np.testing.assert_array_equal(back, front[:, ::-1])


def test_overlaps_are_shares_of_areas() -> None:
    """Half of a square lies in the other: a third of the union is shared, half of each is
    outside."""
    rig = small(orbit(1, size=512))
    a = silhouettes(square(-0.4, 0.8), rig)
    b = silhouettes(square(0, 0.8), rig)
    assert shared(a, b) == pytest.approx(1 / 3, abs=0.02) and outside(a, b) == pytest.approx(
        1 / 2, abs=0.02
    )
    assert shared(a, a) == 1 and outside(a, a) == 0 and outside(a & False, a) == 1


def test_behind_the_camera_is_nothing() -> None:
    assert not silhouettes(square(0, 0.5) + np.array([0, 0, 2]), small(orbit(1, size=512))).any()


def test_views_of_someone_else(male: BodyModel) -> None:
    """The body that stands in the views passes; raised by 0.3 units it does not."""
    rig = small(orbit(12, size=512))
    faces = male.faces.numpy()
    vertices = male.shaped(male.zeros().betas)[0] * 0.75 + torch.tensor([0, 0.2, 0])
    masks = silhouettes(spread_points(vertices.double().numpy(), faces, seed=1), rig)
    check_views(masks, rig, vertices, faces, "a folder")
    with pytest.raises(
        ScanError,
        match=r"^a folder: the silhouettes of the body and of the person "
        r"in the views share [^\n]*$",
    ):
        check_views(masks, rig, vertices + torch.tensor([0, 0.3, 0]), faces, "a folder")
