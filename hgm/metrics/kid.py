"""Kernel inception distance (Bińkowski et al. 2018): the honest set distance for tens of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hgm.metrics.inception import Inception


@dataclass(frozen=True)
class KID:
    """Mean and standard deviation over subsets (in the paper's Table 7 the mean is printed times
    1000)."""

    mean: float
    std: float
    subsets: int
    subset_size: int
    images: int  # the smaller of the two sets


def mmd(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased squared MMD of features x [m, d], y [n, d] under the kernel (x.y / d + 1)^3; scalar
    float64.

    It can be negative. Raises ValueError with fewer than two rows in a set.
    """
    m = len(x)
    n = len(y)
    if m < 2 or n < 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"features must be two [n > 1, d] of one width, got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    x = x.double()
    y = y.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.mT / a.shape[1] + 1) ** 3

    xx = kernel(x, x)
    yy = kernel(y, y)
    within = (xx.sum() - xx.trace()) / (m * (m - 1)) + (yy.sum() - yy.trace()) / (n * (n - 1))
    return within - 2 * kernel(x, y).mean()


def kid(
    prediction: Tensor, target: Tensor, *, subsets: int = 100, subset_size: int = 50, seed: int = 0
) -> KID | None:
    """KID of two feature sets [m, d], [n, d]; None with fewer than two images in a set.

    Subsets are drawn without replacement. A `subset_size` that no set can fill is lowered to the
    smaller set, and where it takes both sets whole there is one subset and no spread.
    """
    images = min(len(prediction), len(target))
    if images < 2:
        return None
    size = min(subset_size, images)
    if size == len(prediction) == len(target):
        return KID(mmd(prediction, target).item(), 0.0, 1, size, images)
    random = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        i = torch.from_numpy(random.choice(len(prediction), size, replace=False))
        j = torch.from_numpy(random.choice(len(target), size, replace=False))
        values.append(mmd(prediction[i], target[j]).item())
    return KID(float(np.mean(values)), float(np.std(values)), subsets, size, images)


def kid_of_images(
    prediction: Tensor,
    target: Tensor,
    network: Inception | None,
    *,
    subsets: int = 100,
    subset_size: int = 50,
    seed: int = 0,
    batch: int = 8,
) -> KID | None:
    """KID of two sets of images [n, 3, H, W] in [0, 1]; None without the network."""
    if network is None:
        return None
    with torch.no_grad():
        p, t = (
            torch.cat([network(part) for part in images.split(batch)])
            for images in (prediction, target)
        )
    return kid(p, t, subsets=subsets, subset_size=subset_size, seed=seed)
