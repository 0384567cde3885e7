"""The starting point of the small presets: on the ray, in the pixel's color."""

import pytest
import torch

from hgm.cameras import Cameras, intrinsics, look_at, orbit
from hgm.gaussians import activate
from hgm.splat import render
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.prior import SURFACE, color_logits, pixel_prior, vertex_prior


def test_anchors_project_to_their_pixels_at_the_given_depth():
    rig = orbit(size=64)[[0, 6]][None]
    prior = pixel_prior(
        torch.rand(1, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), rig, 32
    )
    points = prior[..., :3].unflatten(1, (2, 32 * 32))
    for view in range(2):
        pixels, depth = rig[0, view].resized(32).project(points[0, view])
        y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
        assert torch.allclose(pixels, torch.stack([x, y], -1).reshape(-1, 2), atol=1e-3)
        assert torch.allclose(depth, torch.full_like(depth, 1.5 - SURFACE), atol=1e-5)


def test_colors_come_back_through_the_activation():
    colors = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    raw = torch.zeros(50, 14)
    raw[:, 11:] = color_logits(colors)
    assert torch.allclose(activate(raw).colors, colors, atol=1e-5)


def test_background_starts_transparent():
    image = torch.ones(1, 1, 3, 32, 32)
    image[..., 8:24, 8:24] = 0.3
    opacity = torch.sigmoid(pixel_prior(image, orbit(size=32)[[0]][None], 16)[0, :, 3]).unflatten(
        0, (16, 16)
    )
    assert (opacity[4:12, 4:12] > 0.5).all() and (opacity[:3] < 0.05).all()


def test_vertices_take_the_color_of_the_view_they_are_closer_to():
    images = torch.zeros(1, 2, 3, 32, 32)
    images[0, 0, 0] = 0.8
    images[0, 1, 2] = 0.8  # red in front, blue behind
    points = torch.tensor([[[0.0, 0.1, 0.3], [0.0, 0.1, -0.3]]])
    colors = 0.5 * torch.tanh(vertex_prior(images, orbit(size=32)[[0, 6]][None], points)) + 0.5
    assert colors[0, 0, 0] > 0.75 and colors[0, 0, 2] < 0.1
    assert colors[0, 1, 2] > 0.75 and colors[0, 1, 0] < 0.1


def test_an_untrained_network_already_shows_its_input():
    torch.manual_seed(0)
    rig = orbit(size=64)
    image = torch.ones(1, 1, 3, 64, 64)
    image[..., 16:48, 24:40] = torch.tensor([0.2, 0.5, 0.7])[:, None, None]
    errors = {}
    for prior in (False, True):
        model = HGM(HGMConfig.tiny(use_body=False, prior=prior)).eval()
        with torch.no_grad():
            rgb = render(model(image, rig[[0]][None]).merged[0], rig[[0]]).rgb
        errors[prior] = (rgb - image[0]).square().mean()
    assert errors[True] < 0.5 * errors[False]


def test_the_paper_has_no_prior():
    assert not HGMConfig.paper().prior


def test_how_far_a_camera_stands_does_not_decide_which_side_it_sees():
    """The red front from 2.6 units, the blue back from 1.5."""
    images = torch.zeros(1, 2, 3, 32, 32)
    images[0, 0, 0] = 0.8
    images[0, 1, 2] = 0.8
    views = [orbit(1, size=32, radius=2.6), orbit(1, size=32, start=180)]
    cameras = Cameras(
        torch.stack([v.K for v in views], 1),
        torch.stack([v.world_to_camera for v in views], 1),
        32,
        32,
    )
    colors = (
        0.5
        * torch.tanh(
            vertex_prior(images, cameras, torch.tensor([[[0.0, 0.1, 0.3], [0.0, 0.1, -0.3]]]))
        )
        + 0.5
    )
    assert (
        colors[0, 0, 0] > 0.7 > 0.1 > colors[0, 0, 2]
        and colors[0, 1, 2] > 0.7 > 0.1 > colors[0, 1, 0]
    )


def test_a_camera_that_looks_past_the_person_starts_in_front_of_the_pelvis():
    """Panned by 25 degrees and cut so that the pelvis is in the middle of the picture: there the
    surface is expected, no nearer."""
    eye = torch.tensor([[0.6, 0.2, 1.9]])
    a = torch.tensor(25.0).deg2rad()
    pan = torch.eye(4)
    pan[0, 0] = a.cos()
    pan[0, 2] = a.sin()
    pan[2, 0] = -a.sin()
    pan[2, 2] = a.cos()
    w2c = pan @ look_at(eye, torch.zeros(3))
    K = intrinsics(33, focal=1.1)[None].clone()
    K[0, :2, 2] += 16.5 - (K[0] @ (w2c[0, :3, 3] / w2c[0, 2, 3]))[:2]
    camera = Cameras(K, w2c, 33, 33)
    anchor = pixel_prior(torch.rand(1, 1, 3, 33, 33), Cameras(K[None], w2c[None], 33, 33), 33)[
        0, 33 * 16 + 16, :3
    ]
    pixel, depth = camera.project(anchor[None, None])
    assert torch.allclose(pixel[0, 0], torch.tensor([16.5, 16.5]), atol=1e-3)
    assert depth.item() == pytest.approx(w2c[0, 2, 3].item() - 0.08, abs=1e-5)
    assert anchor.norm() < 0.1
