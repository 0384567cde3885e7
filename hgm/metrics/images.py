"""PSNR, SSIM and MS-SSIM of batches of images, on full frames or on the box around the person."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11
SIGMA = 1.5  # the Gaussian window of Wang et al. 2004
K1 = 0.01
K2 = 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, finest scale first


def _check(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape or prediction.ndim != 4:
        found = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"images must be two equal [N, C, H, W], got {found}")


def psnr(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, scalar: the squared error is pooled over all given images
    [N, C, H, W] first.

    Infinite for equal images. The paper's protocol pools the four test views of a subject (spec:
    views 0, 3, 6, 9).
    """
    _check(prediction, target)
    mse = (prediction - target).square().mean()
    return 10 * torch.log10(data_range**2 / mse)


@lru_cache(maxsize=32)
def _window(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The Gaussian window at every place inside `length` pixels: a band matrix [length - 10,
    length]."""
    x = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    g = torch.exp(-x.square() / (2 * SIGMA**2))
    band = torch.zeros(length - WINDOW + 1, length, dtype=torch.float64)
    for i, weight in enumerate(g / g.sum()):
        band.diagonal(i).fill_(weight)
    return band.to(device, dtype)


def _blur(x: Tensor) -> Tensor:
    """Gaussian means [N, C, H, W] -> [N, C, H - 10, W - 10], only where the window lies inside the
    image.

    Two products with band matrices: the gradient of a convolution with one channel is an order of
    magnitude slower.
    """
    rows, columns = (_window(n, x.dtype, x.device) for n in x.shape[-2:])
    return rows @ x @ columns.mT


def _ssim_parts(prediction: Tensor, target: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Maps of SSIM and of its contrast-structure factor, each [N, C, H - 10, W - 10]."""
    if min(prediction.shape[-2:]) < WINDOW:
        raise ValueError(
            f"images must be at least {WINDOW} pixels high and wide, got "
            f"{tuple(prediction.shape[-2:])}"
        )
    c1 = (K1 * data_range) ** 2
    c2 = (K2 * data_range) ** 2
    mean_p = _blur(prediction)
    mean_t = _blur(target)
    var_p = _blur(prediction * prediction) - mean_p * mean_p
    var_t = _blur(target * target) - mean_t * mean_t
    covariance = _blur(prediction * target) - mean_p * mean_t
    contrast = (2 * covariance + c2) / (var_p + var_t + c2)
    return (2 * mean_p * mean_t + c1) / (
        mean_p.square() + mean_t.square() + c1
    ) * contrast, contrast


def ssim_map(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """SSIM per pixel, [N, C, H, W] twice -> [N, C, H - 10, W - 10]: Gaussian window 11, sigma 1.5,
    population covariance.

    Pixels whose window leaves the image are left out. Differentiable. Raises ValueError on unequal
    or too small images.
    """
    _check(prediction, target)
    return _ssim_parts(prediction, target, data_range)[0]


def ssim(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Mean SSIM of each image, [N, C, H, W] twice -> [N] (see `ssim_map`)."""
    return ssim_map(prediction, target, data_range).mean((1, 2, 3))


def ms_ssim_scales(height: int, width: int) -> int:
    """How many of the five scales of MS-SSIM an image has room for: 5 from 176 pixels on, 4 from
    88, 3 from 44 …"""
    scales = 1
    while scales < len(SCALE_WEIGHTS) and min(height, width) // 2**scales >= WINDOW:
        scales += 1
    return scales


def ms_ssim(prediction: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Multi-scale SSIM of each image, [N, C, H, W] twice -> [N].

    Images too small for five scales use the first `ms_ssim_scales(H, W)` with their weights scaled
    to sum to one; such values compare with nothing but themselves. The released evaluation calls
    this with data_range 2.0 on images in [0, 1] and prints it as SSIM. Negative
    factors count as zero.
    """
    _check(prediction, target)
    count = ms_ssim_scales(*prediction.shape[-2:])
    weights = prediction.new_tensor(SCALE_WEIGHTS[:count])
    weights = weights / weights.sum()
    value = prediction.new_ones(len(prediction))
    for scale in range(count):
        if scale:
            prediction = F.avg_pool2d(prediction, 2)
            target = F.avg_pool2d(target, 2)
        full, contrast = _ssim_parts(prediction, target, data_range)
        part = full if scale == count - 1 else contrast
        value = value * part.mean((1, 2, 3)).clamp(min=0) ** weights[scale]
    return value


def person_box(mask: Tensor, margin: float = 0.05) -> tuple[int, int, int, int]:
    """Bounding box (top, bottom, left, right; pixels, half open) of mask [..., H, W] > 0.5 over all
    its images.

    It is widened on each side by `margin` times its longer side and cut at the image; an empty mask
    gives the whole image.
    """
    height, width = mask.shape[-2:]
    person = (mask > 0.5).reshape(-1, height, width).any(0)
    rows = person.any(1).nonzero()
    columns = person.any(0).nonzero()
    if not len(rows):
        return 0, height, 0, width
    top = int(rows[0])
    bottom = int(rows[-1]) + 1
    left = int(columns[0])
    right = int(columns[-1]) + 1
    grow = round(margin * max(bottom - top, right - left))
    return (
        max(top - grow, 0),
        min(bottom + grow, height),
        max(left - grow, 0),
        min(right + grow, width),
    )


def crop(images: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Images [..., H, W] cut to a box of `person_box`."""
    top, bottom, left, right = box
    return images[..., top:bottom, left:right]
