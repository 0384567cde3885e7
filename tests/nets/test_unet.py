"""U-Net, merge network, attention and image encoder on their own."""

import pytest
import torch

from hgm.nets.attention import ViewAttention
from hgm.nets.image_encoder import ImageEncoder
from hgm.nets.unet import UNet
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.mix import MixNet


def test_attention_is_permutation_equivariant_and_the_legacy_layer_is_not() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 16, 40)
    order = torch.randperm(40)
    errors = {}
    for legacy in (False, True):
        layer = ViewAttention(16, heads=4, groups=4, legacy=legacy)
        errors[legacy] = (layer(x)[..., order] - layer(x[..., order])).abs().max().item()
    assert errors[False] < 1e-5
    assert errors[True] > 0.05


def test_views_attend_to_each_other_and_are_equivariant() -> None:
    torch.manual_seed(0)
    layer = ViewAttention(16, heads=4, groups=4)
    x = torch.randn(4, 16, 5, 6)  # two samples of two views
    y = layer(x, views=2)
    torch.testing.assert_close(layer(x[[1, 0, 3, 2]], views=2), y[[1, 0, 3, 2]])
    torch.testing.assert_close(layer(x[:2], views=2), y[:2])
    assert not torch.allclose(layer(x, views=1), y, atol=1e-3)


def test_legacy_attention_reads_runs_of_positions_as_tokens() -> None:
    torch.manual_seed(0)
    layer = ViewAttention(16, heads=4, groups=4, legacy=True)
    x = torch.randn(1, 16, 40)
    tokens = layer.norm(x)[0].flatten().view(1, 40, 16)
    expected = (x + layer.attn(tokens).flatten().view(1, 16, 40)) * 0.5**0.5
    torch.testing.assert_close(layer(x), expected)


def test_unet_maps_are_half_the_input() -> None:
    config = HGMConfig.small()
    net = UNet(2, 9, 14, config.unet)
    out, features = net(torch.rand(2, 9, 64, 64), views=2)
    assert out.shape == (2, 14, 32, 32)
    assert features.shape == (2, 32, 32, 32)


@pytest.mark.parametrize("count", [1, 33, 64])
def test_merge_network_pads_any_length(count: int) -> None:
    torch.manual_seed(0)
    net = MixNet(7, 14, HGMConfig.tiny().merge)
    x = torch.rand(2, 7, count)
    out = net(x)
    assert out.shape == (2, 14, count)
    padded = torch.nn.functional.pad(x, (0, -count % 4))
    torch.testing.assert_close(out, net(padded)[..., :count])


def test_checkpointing_gives_equal_gradients() -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        net = UNet(2, 9, 14, HGMConfig.tiny().unet, checkpointing=checkpointing)
        out, features = net(torch.linspace(-1, 1, 9 * 32 * 32).view(1, 9, 32, 32))
        (out.square().sum() + features.sum()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=0)


def test_image_encoder_gives_a_quarter_and_sees_where_things_are() -> None:
    torch.manual_seed(0)
    net = ImageEncoder(9, 8, 8, ((8, 1), (16, 1), (16, 1)))
    x = torch.zeros(1, 9, 64, 64)
    out = net(x)
    assert out.shape == (1, 8, 16, 16)
    x[..., 40:48, 8:16] = 1
    change = (net(x) - out).abs().sum((0, 1))
    y, x_ = divmod(int(change.argmax()), 16)
    assert abs(y - 10.5) < 3 and abs(x_ - 2.5) < 3
