"""The StyleUNet: sizes as published, every layer as a naive reference of its equation computes it,
and a folded network that gives what the trained one gives."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, correlate2d
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hgm.systems.animatable.nets.fold import fold
from hgm.systems.animatable.nets.haar import from_bands, to_bands
from hgm.systems.animatable.nets.layers import (
    EqualConvolution,
    EqualLinear,
    Join,
    Mapping,
    ModulatedConvolution,
)
from hgm.systems.animatable.nets.levels import Levels
from hgm.systems.animatable.nets.styleunet import StyleUNet
from hgm.systems.animatable.nets.upfirdn import blurred, doubled, halved
from hgm.systems.animatable.nets.view_net import ViewNet

SMALL = {"size": 32, "top": 4, "cap": 8, "style": 6}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def stirred(module: nn.Module, seed: int = 0) -> nn.Module:
    """With all parameters drawn, as after a training: biases and strengths of noise are not 0."""
    generator = torch.Generator().manual_seed(seed)
    for p in module.parameters():
        p.data.copy_(torch.randn(p.shape, generator=generator))
    return module


@pytest.fixture(scope="module")
def published() -> list[StyleUNet]:
    """The networks of 3 and 8 channels, without numbers."""
    with torch.device("meta"):
        return [StyleUNet(outputs=outputs) for outputs in (3, 8)]


def test_sizes_are_those_that_were_published(published):
    color, other = published
    with torch.device("meta"):
        view = ViewNet(color.levels)
    assert count(color.encoder) == 18_742_912
    assert count(color.mapping) == 525_312
    assert count(color.joins) == 15_632_256
    assert [count(decoder) for decoder in color.decoders] == [19_789_268] * 2
    assert (count(color), count(other), count(view)) == (74_479_016, 74_558_616, 132_288)
    assert 2 * count(color) + count(other) + count(view) == 223_648_936


def test_a_network_multiplies_as_often_as_counted(published):
    """884 billion times for three networks where each decoder convolves the encoder's features
    anew; here they are convolved once for both."""
    products = 0
    for network, networks in zip(published, (2, 1), strict=True):
        with FlopCounterMode(display=False) as counter:
            maps = network(torch.empty(1, 3, 512, 512, device="meta"))
        assert maps.shape[:2] == (1, 2) and maps.shape[3:] == (1024, 1024)
        products += networks * counter.get_total_flops() // 2
    levels = published[0].levels
    inner = list(zip(levels.widths, levels.sizes, strict=True))[1:-1]
    again = 3 * sum(9 * width**2 * size**2 for width, size in inner)
    assert round(products / 1e9) == 788 and round((products + again) / 1e9) == 884


def filtered(x: np.ndarray, up: int, down: int, pads: tuple[int, int]) -> np.ndarray:
    """Zeros between the pixels, borders of zeros, the filter, every so many-th pixel: x [H, W]."""
    spread = np.zeros((up * x.shape[0], up * x.shape[1]))
    spread[::up, ::up] = x
    taps = np.array([1.0, 3.0, 3.0, 1.0]) / 8
    return up**2 * convolve2d(np.pad(spread, pads), np.outer(taps, taps), "valid")[::down, ::down]


def each(function, x: torch.Tensor) -> np.ndarray:
    return np.stack([[function(channel.numpy()) for channel in one] for one in x])


def test_filters_are_upfirdn():
    x = torch.randn(2, 3, 10, 8, dtype=torch.float64)
    bias = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    expected = 5 * each(lambda a: filtered(a, 1, 1, (2, 2)), x) + bias[:, None, None].numpy()
    np.testing.assert_allclose(blurred(x, 2, gain=5.0, bias=bias), expected, rtol=1e-12)
    expected = each(lambda a: filtered(a, 1, 1, (1, 1)), x)
    np.testing.assert_allclose(blurred(x, 1), expected, rtol=1e-12)
    np.testing.assert_allclose(halved(x), each(lambda a: filtered(a, 1, 2, (1, 1)), x), rtol=1e-12)
    np.testing.assert_allclose(doubled(x), each(lambda a: filtered(a, 2, 1, (2, 1)), x), rtol=1e-12)


def test_sub_bands_are_sums_and_differences_and_give_the_picture_back():
    x = torch.randn(2, 3, 6, 4, dtype=torch.float64)
    bands = to_bands(x).unflatten(1, (3, 4))
    for i in range(3):
        for j in range(2):
            a, b, c, d = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten(2).unbind(2)
            expected = [a + b + c + d, b + d - a - c, c + d - a - b, a + d - b - c]
            torch.testing.assert_close(bands[..., i, j], torch.stack(expected, -1) / 2)
    torch.testing.assert_close(from_bands(to_bands(x)), x)
    assert float(bands.square().sum()) == pytest.approx(float(x.square().sum()))


def leaky(x: np.ndarray) -> np.ndarray:
    return np.sqrt(2) * np.where(x > 0, x, 0.2 * x)


def array(x: torch.Tensor) -> np.ndarray:
    return x.detach().numpy()


def test_an_equalized_convolution_is_a_scaled_one():
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for kernel, down in ((3, False), (1, False), (3, True)):
        layer = stirred(EqualConvolution(3, 5, kernel, down=down).double())
        weight = array(layer.weight) / np.sqrt(3 * kernel**2)
        source = each(lambda a: filtered(a, 1, 1, (2, 2)), x) if down else array(x)
        mode = "valid" if down else "same"
        expected = np.array([
            [np.sum([correlate2d(*pair, mode) for pair in zip(one, rows, strict=True)], 0)
             for rows in weight]
            for one in source
        ])  # fmt: skip
        expected = expected[..., ::2, ::2] if down else expected
        expected = leaky(expected + array(layer.bias)[:, None, None])
        np.testing.assert_allclose(array(layer(x)), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", ["plain", "up", "to a map"])
def test_a_modulated_convolution_is_its_equation(kind):
    """Karras et al. 2020, equations 1 to 3, with noise and activation after it."""
    x, style = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    kernel = 1 if kind == "to a map" else 3
    size = {"plain": 4, "up": 8, "to a map": None}[kind]
    layer = stirred(
        ModulatedConvolution(3, 5, kernel, 6, size=size, up=kind == "up").double(), seed=4
    )
    linear = layer.modulation
    factors = array(linear.weight) @ style.numpy() / np.sqrt(6) + array(linear.bias)
    weight = array(layer.weight) / np.sqrt(3 * kernel**2) * factors[:, None, None]
    if size is not None:
        weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    expected = np.zeros((2, 5, size or 4, size or 4))
    for i, one in enumerate(array(x)):
        for o, rows in enumerate(weight):
            for a, w in zip(one, rows, strict=True):
                if kind == "up":  # the transpose of a convolution of stride 2, then the filter
                    spread = np.zeros((7, 7))
                    spread[::2, ::2] = a
                    expected[i, o] += 4 * filtered(convolve2d(spread, w, "full"), 1, 1, (1, 1))
                else:
                    expected[i, o] += correlate2d(a, w, "same")
    bias = array(layer.bias)[:, None, None]
    if size is None:
        expected = expected + bias
    else:
        assert float(layer.noise.std()) > 0.5
        expected = leaky(expected + array(layer.strength) * array(layer.noise)[0, 0] + bias)
    np.testing.assert_allclose(array(layer(x, style)), expected, rtol=1e-9)


def test_the_style_is_two_slow_layers_of_ones():
    mapping = stirred(Mapping(6).double())
    expected = np.ones(6)
    for layer in mapping.layers:
        scaled = array(layer.weight) * 0.01 / np.sqrt(6)
        expected = leaky(scaled @ expected + 0.01 * array(layer.bias))
    np.testing.assert_allclose(array(mapping()), expected, rtol=1e-6)
    # drawn a hundred times as large, so that only the pace of learning differs
    assert float(EqualLinear(300, 300, rate=0.01).weight.detach().std()) == pytest.approx(
        100, rel=0.1
    )


def test_a_join_is_a_convolution_of_both():
    layer = stirred(EqualConvolution(6, 3, 3).double())
    own, shared = torch.randn(2, 2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(Join.of(layer, shared)(own), layer(torch.cat([own, shared], 1)))


def test_levels_double_and_the_view_enters_where_it_fits_best():
    paper = Levels(512, 64, 512)
    assert paper.sizes == (8, 16, 32, 64, 128, 256, 512)
    assert paper.widths == (512, 512, 512, 512, 256, 128, 64)
    assert (paper.sizes[paper.view], paper.widths[paper.view]) == (256, 128)
    for settings, size, width in (
        ((64, 32, 64), 32, 64),  # of three with 64 the largest
        ((64, 48, 512), 32, 96),  # 96 is nearer than 192
        ((16, 256, 512), 16, 256),  # the lowest has no block
    ):
        levels = Levels(*settings)
        assert (levels.sizes[levels.view], levels.widths[levels.view]) == (size, width)
    for size in (8, 24, 100):
        with pytest.raises(ValueError, match="expected 16, 32"):
            Levels(size, 8, 8)


def test_features_of_the_view_reach_their_own_side():
    network = stirred(StyleUNet(outputs=2, **SMALL))
    levels = network.levels
    x, cosines = torch.randn(2, 3, 32, 32), torch.randn(2, 2, 1, 32, 32)
    view = ViewNet(levels)
    features = [view(side) for side in cosines]
    edge = levels.sizes[levels.view]
    assert features[0].shape == (2, levels.widths[levels.view], edge, edge)
    with torch.no_grad():
        plain = network(x)
        assert torch.equal(network(x, [torch.zeros_like(f) for f in features]), plain)
        front = network(x, [features[0], torch.zeros_like(features[1])])
    assert plain.shape == (2, 2, 2, 64, 64)
    assert not torch.allclose(front[:, 0], plain[:, 0]) and torch.equal(front[:, 1], plain[:, 1])


def test_noise_is_kept_with_the_weights_and_begins_unheard():
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(StyleUNet(**SMALL))
    state, same, other = (network.state_dict() for network in networks)
    noisy = [name for name in state if name.endswith(".noise")]
    # two decoders of two levels of two convolutions
    assert len(noisy) == 8 and len({float(state[name].sum()) for name in noisy}) == 8
    assert all(torch.equal(state[name], same[name]) for name in state)
    assert not any(torch.equal(state[name], other[name]) for name in noisy)
    x = torch.randn(1, 3, 32, 32)
    one, two, _ = networks
    with torch.no_grad():
        for name in noisy:
            two.get_buffer(name).neg_()
        assert torch.equal(one(x), two(x))
        for network in (one, two):
            network.decoders[0].convolutions[0].strength.fill_(0.5)
        assert not torch.allclose(one(x)[:, 0], two(x)[:, 0])
        assert torch.equal(one(x)[:, 1], two(x)[:, 1])


def test_every_number_learns():
    network = stirred(StyleUNet(**SMALL))
    network(torch.randn(1, 3, 32, 32)).square().mean().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in network.parameters())


def test_a_folded_network_gives_what_the_trained_one_gives():
    network = stirred(StyleUNet(outputs=8, **SMALL))
    folded = fold(network)
    view = [torch.randn(1, 8, 16, 16) for _ in range(2)]
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        wanted = network(x, view)
        torch.testing.assert_close(folded(x, view), wanted, rtol=1e-4, atol=1e-4)
    assert float(wanted.abs().max()) > 1
    assert not list(folded.parameters())
    # the network that was folded goes on learning
    network(x).mean().backward()
    assert all(p.requires_grad for p in network.parameters())
