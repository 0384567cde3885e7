"""Noise, patterns, atlas packing, rasterizing and filling."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from hgm.standin.noise import CELLS, ValueNoise, ramp
from hgm.standin.paint.atlas import PADDING, TILE_SHAPES, Tile, pack, rasterize, spread
from hgm.standin.paint.patterns import (
    PATTERNS,
    Weave,
    leg_coordinates,
    mix,
    skirt_coordinates,
    trunk_coordinates,
)


def test_ramp_runs_from_nought_to_one_in_either_direction() -> None:
    x = np.linspace(-1, 2, 31)
    up = ramp(x, 0, 1)
    down = ramp(x, 1, 0)
    assert up[0] == 0 and up[-1] == 1 and (np.diff(up) >= 0).all()
    np.testing.assert_allclose(up + down, 1)


def test_noise_is_trilinear_periodic_and_repeatable() -> None:
    noise = ValueNoise(5)
    points = np.random.default_rng(0).uniform(-60, 60, (500, 3))
    expected = map_coordinates(
        noise.volume.astype(np.float64), np.mod(points, CELLS).T, order=1, mode="grid-wrap"
    )
    np.testing.assert_allclose(noise(points, 1.0), expected, atol=1e-5)
    np.testing.assert_allclose(noise(points + CELLS, 1.0), noise(points, 1.0), atol=1e-5)
    assert np.array_equal(ValueNoise(5).volume, noise.volume)
    assert not np.array_equal(ValueNoise(6).volume, noise.volume)
    assert noise.volume.std() == pytest.approx(1, abs=1e-5)


def test_noise_scales_each_axis() -> None:
    noise = ValueNoise(1)
    points = np.random.default_rng(1).normal(size=(50, 3))
    np.testing.assert_allclose(
        noise(points, (2, 3, 4), 0.5), noise(points * [2, 3, 4] + 0.5, 1.0), atol=1e-5
    )


@pytest.mark.parametrize("size", [128, 512, 2048])
def test_tiles_lie_inside_the_texture_and_do_not_overlap(size: int) -> None:
    places = pack(TILE_SHAPES, size)
    used = np.zeros((size, size), int)
    for x, y, width, height in places.values():
        assert (
            min(x, y) >= 0 and x + width <= size and y + height <= size and min(width, height) >= 1
        )
        used[y : y + height, x : x + width] += 1
    assert used.max() == 1
    assert used.mean() > (0.6 if size >= 512 else 0.4)


def test_tiles_keep_their_distance() -> None:
    places = list(pack(TILE_SHAPES, 1024).values())
    for i, (x, y, width, height) in enumerate(places):
        for u, v, w, h in places[:i]:
            gap = max(u - (x + width), x - (u + w), v - (y + height), y - (v + h))
            assert gap >= PADDING - 1


def test_rasterizing_interpolates_inside_the_triangle_only() -> None:
    tile = Tile(0, 0, 64, 48, (np.zeros(2), np.ones(2)))
    corners = np.array([[[0.1, 0.1], [0.9, 0.2], [0.3, 0.8]]])
    values = np.concatenate([corners, corners.sum(-1, keepdims=True)], -1)
    centers = tile.pixel_centers()
    mask, painted = rasterize(corners, values, centers)
    np.testing.assert_allclose(painted[:, :2], centers[mask], atol=1e-5)
    np.testing.assert_allclose(painted[:, 2], centers[mask].sum(-1), atol=1e-5)
    edge_a = corners[0, 1] - corners[0, 0]
    edge_b = corners[0, 2] - corners[0, 0]
    assert mask.mean() == pytest.approx(0.5 * abs(np.cross(edge_a, edge_b)), abs=0.01)


def test_pixel_rows_run_downwards_and_v_upwards() -> None:
    centers = Tile(0, 0, 4, 2, (np.zeros(2), np.ones(2))).pixel_centers()
    assert centers[0, 0].tolist() == [0.125, 0.75] and centers[1, 3].tolist() == [0.875, 0.25]


def test_spreading_keeps_known_pixels_and_fills_the_rest_from_their_neighborhood() -> None:
    mask = np.zeros((37, 53), bool)
    mask[3:9, 4:10] = True
    mask[20:30, 40:50] = True
    values = np.where(np.argwhere(mask)[:, :1] < 15, 0.2, 0.8).astype(np.float32)
    image = spread(mask, values)
    np.testing.assert_array_equal(image[mask], values)
    assert image.min() >= 0.2 - 1e-6 and image.max() <= 0.8 + 1e-6
    assert image[2, 3, 0] == pytest.approx(0.2) and image[31, 51, 0] == pytest.approx(0.8)


@pytest.mark.parametrize("name", sorted(PATTERNS))
@pytest.mark.parametrize("coordinates", [trunk_coordinates, skirt_coordinates, leg_coordinates])
def test_patterns_close_behind_the_body(name: str, coordinates) -> None:  # type: ignore[no-untyped-def]
    """Just left and right of the middle of the back (and of each leg's back) a pattern has the same
    color."""
    height = np.linspace(-0.9, 0.05, 400)
    gap = 1e-5
    inner = (
        0.105 + 0.075 * ramp(height, -0.45, -1.2)
        if coordinates is leg_coordinates
        else np.zeros_like(height)
    )
    inner = np.where(height < -0.42, inner, 0.0)
    sides = [
        np.stack([inner + s * gap, height, np.full_like(height, -0.1)], 1).astype(np.float32)
        for s in (1, -1)
    ]
    colors = (np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 1.0]))
    left, right = (
        PATTERNS[name](
            Weave(p, coordinates(p), colors, 1.0, ValueNoise(2), np.random.default_rng(3))
        )
        for p in sides
    )
    assert left.min() >= 0 and left.max() <= 1
    assert np.median(np.abs(left - right).max(1)) < 0.02
    assert (np.abs(left - right).max(1) > 0.1).mean() < 0.02


def test_mix_is_linear() -> None:
    base = np.zeros((3, 3), np.float32)
    np.testing.assert_allclose(mix(base, 1.0, np.array([0.0, 0.25, 1.0]))[:, 0], [0, 0.25, 1])
