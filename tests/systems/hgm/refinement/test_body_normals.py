"""Normal maps of a body, front and farthest surface, against ray casting."""

from collections.abc import Callable

import torch
from torch import Tensor

from hgm.body.canonical import CanonicalBody
from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.splat import render
from hgm.splat.normal_maps import NormalMaps, inside_out, normal_loss, render_normals
from hgm.splat.surfels import Surfels, pixel_size

Cast = Callable[..., tuple[Tensor, Tensor]]


def agreement(ours: Tensor, truth: Tensor) -> float:
    """Mean cosine away from the outline."""
    inside = (
        -torch.nn.functional.max_pool2d(-(truth.norm(dim=0) > 0.5).float()[None], 5, 1, 2)[0] > 0
    )
    return float(torch.nn.functional.cosine_similarity(ours, truth, dim=0)[inside].mean())


def test_front_and_back_maps_are_those_of_the_mesh(
    body: CanonicalBody, surfels: Surfels, caster: Cast
) -> None:
    cameras = orbit(size=192, start=15)
    maps = render_normals(body.vertices, surfels, cameras[0])
    front = caster(cameras[:1])[1][0]
    back = caster(cameras[:1], last=True)[1][0]
    assert agreement(maps.front, front) > 0.95
    assert agreement(maps.back, back) > 0.95
    assert agreement(maps.back, front) < 0  # the two maps show opposite sides
    assert maps.front.norm(dim=0).max() <= 1 + 1e-4


def test_turning_inside_out_keeps_the_picture(body: CanonicalBody, surfels: Surfels) -> None:
    camera = orbit(size=96)[:1]
    discs = surfels.gaussians(body.vertices, pixel_size(camera))
    turned = inside_out(discs, camera[0])
    assert torch.allclose(
        camera.project(discs.means)[0], camera.project(turned.means)[0], atol=1e-3
    )
    a = render(discs, camera)
    b = render(turned, camera)
    assert (a.alpha - b.alpha).abs().mean() < 2e-3
    solid = (a.alpha > 0.9) & (b.alpha > 0.9)
    assert (a.depth[solid] - b.depth[solid]).abs().mean() > 0.02


def test_normal_loss_pulls_a_turned_body_back(
    body: CanonicalBody, surfels: Surfels, caster: Cast
) -> None:
    camera = orbit(size=96)[0]
    cameras = orbit(size=96)[:1]
    targets = NormalMaps(caster(cameras)[1][0], caster(cameras, last=True)[1][0])

    def loss(angle: Tensor) -> Tensor:
        c = angle.cos()
        s = angle.sin()
        o = torch.zeros(())
        turn = torch.stack([c, o, s, o, o + 1, o, -s, o, c]).view(3, 3)  # about y
        return normal_loss(render_normals(body.vertices @ turn.T, surfels, camera), targets)

    for value in (0.2, -0.2):
        angle = torch.tensor(value, requires_grad=True)
        loss(angle).backward()
        assert angle.grad is not None and angle.grad * value > 0
        assert loss(angle) > 1.5 * loss(torch.zeros(()))


def test_pixels_without_target_do_not_count(
    body: CanonicalBody, model: BodyModel, surfels: Surfels
) -> None:
    maps = render_normals(body.vertices, surfels, orbit(size=64)[0])
    nothing = NormalMaps(torch.zeros_like(maps.front), torch.zeros_like(maps.back))
    assert normal_loss(maps, nothing) == 0
