"""Body branch: where it looks, what the tokens learn, what moves."""

import pytest
import torch
from net_samples import batch_of, body_points, rig, tiny_model

from hgm.systems.hgm.networks.body_branch import PatchAttention, patch_samples


@pytest.mark.parametrize("views", [1, 2])
def test_patches_are_read_where_the_points_project(views: int) -> None:
    cameras = rig(2, views, 64)
    points = body_points(2, 40)
    y, x = torch.meshgrid((torch.arange(16) + 0.5) * 4, (torch.arange(16) + 0.5) * 4, indexing="ij")
    # each map pixel holds the image position of its center
    maps = torch.stack([x, y]).expand(2, views, 2, 16, 16)
    samples = patch_samples(maps, cameras, points, 3)
    assert samples.shape == (2, views, 2, 9, 40)
    pixels, _ = cameras.project(points[:, None])
    assert pixels.min() > 6 and pixels.max() < 58  # else the border would count
    offsets = torch.tensor([[dx, dy] for dy in (-4.0, 0, 4) for dx in (-4.0, 0, 4)])
    torch.testing.assert_close(
        samples.permute(0, 1, 4, 3, 2), pixels[..., None, :] + offsets, rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("views", [1, 2])
def test_attention_against_a_plain_loop(views: int) -> None:
    torch.manual_seed(0)
    layer = PatchAttention(8, heads=2, patch=3, legacy=False).double()
    tokens = torch.randn(5, 8).double()
    points = body_points(1, 5).double()
    cameras = rig(1, views, 64).to(torch.float64)
    maps = torch.randn(1, views, 8, 16, 16).double()
    out = layer(tokens, points, maps, cameras)
    samples = patch_samples(maps, cameras, points, 3)[0]  # [V, C, 9, P]
    for i in range(5):
        keys = samples[..., i].permute(0, 2, 1).reshape(-1, 8)  # [V*9, C]
        heads = []
        for h in range(2):
            rows = slice(4 * h, 4 * h + 4)
            q = layer.query.weight[rows] @ tokens[i]
            k = keys @ layer.key.weight[rows].T
            v = keys @ layer.value.weight[rows].T
            heads.append((k @ q / 4**0.5).softmax(0) @ v)
        torch.testing.assert_close(
            out[0, i], layer.norm(tokens[i] + layer.out.weight @ torch.cat(heads))
        )


def test_tokens_learn_from_one_view_and_did_not_in_the_release() -> None:
    gradients = {}
    for legacy, patch in ((False, 3), (True, 1)):
        model = tiny_model(1, legacy=legacy, patch=patch)
        model(*batch_of(model, 1)).body.packed().square().sum().backward()
        gradients[legacy] = model.body.tokens.weight.grad.abs().amax(1)
    assert (gradients[False] > 1e-6).all()
    assert gradients[True].max() < 1e-7  # a softmax over a single key


@pytest.mark.parametrize("head", ["mlp", "mixnet"])
def test_body_gaussians_sit_at_their_vertices_before_training(head: str) -> None:
    model = tiny_model(1, body_head=head)
    images, cameras, vertices = batch_of(model, 2)
    body = model(images, cameras, vertices).body
    assert body.shape == (2, model.config.vertices)
    assert (body.means - vertices).norm(dim=-1).mean() < 0.2
    assert abs(body.scales.mean().item() / model.config.initial_body_scale - 1) < 0.3


def test_body_gaussians_stay_in_the_cube() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.body.head.conv_out.bias[:3] = torch.tensor([5.0, -5.0, 0.0])
    images, cameras, vertices = batch_of(model, 1)
    means = model(images, cameras, vertices).body.means
    assert means.abs().max() <= 1
    inside = (vertices[..., 0] + 1).clamp(max=1)  # an offset is at most one unit
    torch.testing.assert_close(means[..., 0], inside)
