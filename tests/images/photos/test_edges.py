"""Coarse masks that follow the edges of their picture."""

import numpy as np
import pytest
from PIL import Image

from hgm.images.photos.edges import WINDOW, following_edges


def person(scale: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a blot with an arm on noisy ground, and its true coverage; edges of `scale`
    times 96 pixels."""
    y, x = np.mgrid[: 96 * scale, : 96 * scale] / scale
    body = ((x - 48) / 16) ** 2 + ((y - 50) / 30) ** 2 < 1
    arm = (np.abs(y - 40) < 3) & (x > 40) & (x < 86)
    true = (body | arm).astype(np.float32)
    rng = np.random.default_rng(0)
    colors = np.where(true[..., None] > 0.5, [200, 60, 50], [70, 110, 150]).astype(np.float64)
    return (colors + rng.normal(0, 6, colors.shape)).clip(0, 255).astype(np.uint8), true


def coarse(true: np.ndarray, cells: int) -> np.ndarray:
    """The coverage as a mask of few cells gives it, a cell beside its place."""
    small = Image.fromarray(true).resize((cells, cells), Image.Resampling.BOX)
    shifted = np.roll(np.asarray(small), 1, axis=1)
    large = Image.fromarray(shifted).resize(true.shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(large)


@pytest.mark.parametrize("scale", [1, 6])
def test_the_edge_comes_to_lie_where_the_color_changes(scale):
    rgb, true = person(scale)
    mask = coarse(true, 32)
    reach = 9.0 * scale  # three cells
    assert (reach > WINDOW * 1.5) == (scale == 6)  # found in a smaller picture
    found = following_edges(mask, rgb, reach)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    before, after = (np.abs(x - true).mean() for x in (mask, found))
    assert after < 0.5 * before


def test_a_picture_without_edges_moves_no_mask():
    _, true = person(1)
    mask = coarse(true, 32)
    found = following_edges(mask, np.full((96, 96, 3), 128, np.uint8), 3.0)
    assert ((found > 0.5) != (mask > 0.5)).mean() < 0.04


def test_where_nobody_is_nobody_appears():
    rgb, true = person(1)
    assert not following_edges(np.zeros_like(true), rgb, 3.0).any()
    left = np.where(np.arange(96) < 30, true, 0).astype(np.float32)
    assert not following_edges(left, rgb, 3.0)[:, 50:].any()
