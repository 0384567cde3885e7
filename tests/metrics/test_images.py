"""Image metrics against scikit-image and against sums written out by hand."""

import math

import numpy as np
import pytest
import torch
from skimage import metrics

from hgm.metrics.images import crop, ms_ssim, ms_ssim_scales, person_box, psnr, ssim, ssim_map


def pair(n: int = 2, size: int = 64, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    target = torch.nn.functional.interpolate(
        torch.rand(n, 3, size // 8, size // 8, generator=g), size, mode="bicubic"
    )
    target = target.clamp(0, 1)
    return (target + 0.1 * torch.randn(target.shape, generator=g)).clamp(0, 1), target


def reference_ssim(p: torch.Tensor, t: torch.Tensor, data_range: float) -> float:
    return metrics.structural_similarity(
        p.numpy(),
        t.numpy(),
        channel_axis=0,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def test_psnr_pools_the_error_over_the_views() -> None:
    p, t = pair(4)
    assert psnr(p, t).item() == pytest.approx(
        metrics.peak_signal_noise_ratio(t.numpy(), p.numpy(), data_range=1.0), abs=1e-4
    )
    p[0] = t[0]  # a perfect view: the mean of four PSNRs would be infinite
    assert math.isfinite(psnr(p, t).item())
    assert psnr(t, t).item() == math.inf


@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_agrees_with_skimage(data_range: float) -> None:
    p, t = pair()
    for i in range(2):
        assert ssim(p, t, data_range)[i].item() == pytest.approx(
            reference_ssim(p[i], t[i], data_range), abs=2e-5
        )
    assert ssim_map(p, t).shape == (2, 3, 54, 54)


@pytest.mark.parametrize(("size", "scales"), [(176, 5), (128, 4), (64, 3), (16, 1)])
def test_ms_ssim_is_the_weighted_product_over_scales(size: int, scales: int) -> None:
    p, t = pair(1, size)
    assert ms_ssim_scales(size, size) == scales
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    value = 1.0
    x = p[0].numpy().astype(np.float64)
    y = t[0].numpy().astype(np.float64)
    for i, weight in enumerate(weights / weights.sum()):
        if i:
            x, y = (a.reshape(3, a.shape[1] // 2, 2, -1, 2).mean((2, 4)) for a in (x, y))
        full = reference_ssim(torch.tensor(x), torch.tensor(y), 1.0)
        value *= (full if i == scales - 1 else contrast(x, y)) ** weight
    assert ms_ssim(p, t).item() == pytest.approx(value, abs=2e-5)


def contrast(x: np.ndarray, y: np.ndarray) -> float:
    """Mean contrast-structure term with windows cut out one by one."""
    i = np.arange(11) - 5
    g = np.exp(-(i**2) / 4.5)
    window = np.outer(g, g) / g.sum() ** 2
    cut = lambda a: np.lib.stride_tricks.sliding_window_view(a, (11, 11), (1, 2))  # noqa: E731
    wx = cut(x)
    wy = cut(y)
    mean = lambda a: (a * window).sum((-1, -2))  # noqa: E731
    mx = mean(wx)
    my = mean(wy)
    vx = mean((wx - mx[..., None, None]) ** 2)
    vy = mean((wy - my[..., None, None]) ** 2)
    cov = mean((wx - mx[..., None, None]) * (wy - my[..., None, None]))
    return float(((2 * cov + 0.03**2) / (vx + vy + 0.03**2)).mean())


def test_ssim_of_equal_images_is_one_and_its_gradient_is_finite() -> None:
    _, t = pair()
    assert torch.allclose(ssim(t, t), torch.ones(2))
    assert torch.allclose(ms_ssim(t, t), torch.ones(2))
    white = torch.ones(1, 3, 32, 32, requires_grad=True)
    (1 - ssim(white, t[:1, :, :32, :32])).sum().backward()
    assert (
        white.grad is not None and torch.isfinite(white.grad).all() and white.grad.abs().max() > 0
    )


def test_shapes_are_checked() -> None:
    p, t = pair()
    with pytest.raises(ValueError, match="two equal"):
        psnr(p, t[:1])
    with pytest.raises(ValueError, match="at least 11"):
        ssim(p[..., :8], t[..., :8])


def test_person_box_holds_the_person_of_every_view() -> None:
    mask = torch.zeros(2, 1, 40, 60)
    mask[0, 0, 10:20, 5:15] = 1
    mask[1, 0, 12:30, 30:32] = 1
    assert person_box(mask, 0) == (10, 30, 5, 32)
    # grown by half of 27, rounded to 14, and cut at the image
    assert person_box(mask, 0.5) == (0, 40, 0, 46)
    assert person_box(torch.zeros(1, 40, 60)) == (0, 40, 0, 60)
    assert crop(mask, (10, 30, 5, 32)).shape == (2, 1, 20, 27)
