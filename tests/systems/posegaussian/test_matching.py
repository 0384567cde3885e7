"""Correlation and convex upsampling against definitions in float64, and their gradients."""

import pytest
import torch
from torch import Tensor

from hgm.systems.posegaussian.nets.correlation import LEVELS, RADIUS, RowCorrelation
from hgm.systems.posegaussian.nets.stereo import upsampled


def by_definition(features: Tensor, x: Tensor) -> Tensor:
    """Each sample on its own: the mean of 2^k products in a row of one view, between two whole
    places, where both are inside."""
    views, channels, height, width = features.shape
    rows = []
    for view in range(views):
        one, other = features[view], features[(view + views // 2) % views]
        for row in range(height):
            for column in range(width):
                products = one[:, row, column] @ other[:, row] / channels**0.5
                samples = []
                for k in range(LEVELS):
                    means = [products[i * 2**k : (i + 1) * 2**k].mean() for i in range(width >> k)]
                    for step in range(-RADIUS, RADIUS + 1):
                        place = float(x[view, 0, row, column]) / 2**k + step
                        first = int(place // 1)
                        weights = {first: 1 - place % 1, first + 1: place % 1}
                        samples.append(sum(
                            (w * means[i] for i, w in weights.items() if 0 <= i < len(means)),
                            products.new_zeros(()),
                        ))  # fmt: skip
                rows.append(torch.stack(samples))
    return torch.stack(rows).view(views, height, width, -1).movedim(-1, 1)


@pytest.mark.parametrize("width", [5, 9])  # odd at some level, and too narrow for the last one
def test_correlation_is_what_it_is_defined_as(width):
    generator = torch.Generator().manual_seed(width)
    features = torch.randn(2, 6, 3, width, generator=generator, dtype=torch.float64)
    x = torch.rand(2, 1, 3, width, generator=generator) * 2 * width - width / 2
    weights = torch.randn(RowCorrelation.SAMPLES, 3, width, generator=generator)
    found, wanted = features.clone().requires_grad_(), features.clone().requires_grad_()
    samples = RowCorrelation(found)(x)
    reference = by_definition(wanted, x)
    torch.testing.assert_close(samples.double(), reference, atol=2e-6, rtol=0)
    (samples * weights).sum().backward()
    (reference * weights).sum().backward()
    assert float(wanted.grad.abs().max()) > 1
    torch.testing.assert_close(found.grad, wanted.grad, atol=2e-5, rtol=0)


def test_fine_flow_is_a_mean_of_nine_coarse_ones():
    generator = torch.Generator().manual_seed(0)
    flow = torch.randn(2, 1, 3, 4, generator=generator)
    weights = torch.randn(2, 9 * 4, 3, 4, generator=generator)
    fine = upsampled(flow, weights, 2)
    assert fine.shape == (2, 1, 6, 8)
    for view, y, x in ((0, 0, 0), (1, 5, 7), (0, 3, 4), (1, 2, 1)):
        row, column, place = y // 2, x // 2, y % 2 * 2 + x % 2
        share = weights[view, place::4, row, column].softmax(0)
        around = [
            flow[view, 0, row + i, column + j] if 0 <= row + i < 3 and 0 <= column + j < 4 else 0.0
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
        wanted = 2 * sum(s * a for s, a in zip(share, around, strict=True))
        torch.testing.assert_close(fine[view, 0, y, x], wanted)
