"""The starting point of colors in the small presets: what the pictures show."""

import torch

from hgm.cameras import Cameras, orbit
from hgm.gaussians import activate
from hgm.systems.hgm.networks.prior import color_logits, vertex_prior


def test_colors_come_back_through_the_activation():
    colors = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * 0.96 + 0.02
    raw = torch.zeros(50, 14)
    raw[:, 11:] = color_logits(colors)
    assert torch.allclose(activate(raw).colors, colors, atol=1e-5)


def test_vertices_take_the_color_of_the_view_they_are_closer_to():
    images = torch.zeros(1, 2, 3, 32, 32)
    images[0, 0, 0] = 0.8
    images[0, 1, 2] = 0.8  # red in front, blue behind
    points = torch.tensor([[[0.0, 0.1, 0.3], [0.0, 0.1, -0.3]]])
    colors = 0.5 * torch.tanh(vertex_prior(images, orbit(size=32)[[0, 6]][None], points)) + 0.5
    assert colors[0, 0, 0] > 0.75 and colors[0, 0, 2] < 0.1
    assert colors[0, 1, 2] > 0.75 and colors[0, 1, 0] < 0.1


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
