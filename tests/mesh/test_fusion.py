"""Depth fusion of a sphere, from analytic depth maps and from Gaussians."""

import math

import numpy as np
import pytest
import torch
from spheres import CENTER, RADIUS, ball, sphere_depth

from hgm.cameras import sphere
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.mesh.conversion import with_colors
from hgm.mesh.fusion import Volume, depth_maps, fuse, ordered

VOXEL = 3 / 256
TRUNCATION = 0.05


def radii(vertices: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vertices - CENTER.numpy(), axis=1)


def test_analytic_depth_gives_the_sphere() -> None:
    cameras = sphere(24, size=128)
    volume = Volume(voxel=VOXEL, truncation=TRUNCATION)
    depth = sphere_depth(cameras)
    volume.integrate(cameras, torch.full((24, 3, 128, 128), 0.5), depth)
    mesh = volume.mesh()
    error = radii(mesh.vertices) - RADIUS
    assert np.abs(error).max() < VOXEL
    assert abs(error.mean()) < 0.1 * VOXEL  # a pixel's center is where both sides think it is
    assert np.abs(mesh.vertices.mean(0) - CENTER.numpy()).max() < 0.1 * VOXEL
    assert mesh.is_watertight
    # positive: faces look outwards
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.02)


def test_gaussians_give_their_surface_and_colors() -> None:
    mesh = fuse(ball(), sphere(24, size=160), voxel=VOXEL, truncation=TRUNCATION)
    error = radii(mesh.vertices) - RADIUS
    assert np.abs(error).mean() < 0.5 * VOXEL and np.quantile(np.abs(error), 0.99) < VOXEL
    colors = np.asarray(mesh.visual.vertex_colors)[:, :3] / 255
    upper = mesh.vertices[:, 1] > float(CENTER[1]) + 0.1
    lower = mesh.vertices[:, 1] < float(CENTER[1]) - 0.1
    assert np.abs(np.median(colors[upper], 0) - [0.9, 0.1, 0.1]).max() < 0.03
    assert np.abs(np.median(colors[lower], 0) - [0.1, 0.1, 0.9]).max() < 0.03


def test_depth_maps_hold_no_background() -> None:
    cameras, colors, depth = next(depth_maps(ball(), sphere(3, size=96)))
    truth = sphere_depth(cameras)
    both = (depth > 0) & (truth > 0)
    assert both.sum() > 0.95 * (truth > 0).sum()
    assert (depth - truth)[both].abs().median() < VOXEL  # an outline mixes front and back
    # red or blue, nothing of the black behind
    assert (colors.sum(1, keepdim=True)[both] - 1.1).abs().max() < 0.02


def test_the_order_depends_on_the_shape_only() -> None:
    volume = Volume(voxel=0.03, truncation=TRUNCATION)
    cameras = sphere(12, size=64)
    volume.integrate(
        cameras,
        torch.rand(12, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
        sphere_depth(cameras),
    )
    mesh = volume.mesh()
    rng = np.random.default_rng(0)
    shuffle = rng.permutation(len(mesh.vertices))
    place = np.argsort(shuffle)
    faces = np.roll(place[mesh.faces], 1, axis=1)[rng.permutation(len(mesh.faces))]
    again = ordered(with_colors(mesh.vertices[shuffle], faces, mesh.visual.vertex_colors[shuffle]))
    assert np.array_equal(again.vertices, mesh.vertices) and np.array_equal(again.faces, mesh.faces)
    assert np.array_equal(again.visual.vertex_colors, mesh.visual.vertex_colors)
    assert again.volume == pytest.approx(mesh.volume)


def test_nothing_to_see_is_an_error() -> None:
    g = ball(100)
    clear = Gaussians(g.means, 0 * g.opacities, g.scales, g.quats, g.colors)
    with pytest.raises(InputError, match="no surface"):
        fuse(clear, sphere(4, size=32), voxel=VOXEL, truncation=TRUNCATION)
