"""A coarse mask that follows the edges of its picture: the guided filter (He, Sun and Tang, 2013).

Within each small window the coverage is a linear function of the color. So its edge comes to lie
where the color changes, which a mask of few pixels cannot know.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

FLAT = 1e-3  # variance of a color, in squares of 0 … 1, below which a window counts as plain
LOW, HIGH = 0.35, 0.9  # of the filter's result, what becomes 0 and 1: it is softer than an edge
WINDOW = 8  # pixels to each side of a window where its function is found; larger ones are shrunk
SEEN = 0.01  # coverage below which nobody is


def following_edges(coverage: np.ndarray, rgb: np.ndarray, reach: float) -> np.ndarray:
    """Coverage float32 [H, W] in [0, 1] of a picture uint8 [H, W, 3], its edges moved to the
    picture's by up to about `reach` pixels."""
    rows, columns = (np.flatnonzero((coverage > SEEN).any(axis)) for axis in (1, 0))
    if not len(rows):
        return coverage
    margin = int(np.ceil(2 * reach))
    place = tuple(
        slice(max(int(one[0]) - margin, 0), int(one[-1]) + 1 + margin) for one in (rows, columns)
    )
    colors = rgb[place].astype(np.float32) / 255
    factor = max(1, round(reach / WINDOW))
    slopes, offset = _coefficients(
        _shrunk(colors, factor), _shrunk(coverage[place], factor), max(1, round(reach / factor))
    )
    shape = (colors.shape[0], colors.shape[1])
    found = _enlarged(offset, shape)
    for channel in range(3):
        found += _enlarged(slopes[..., channel], shape) * colors[..., channel]
    followed = np.zeros_like(coverage)
    followed[place] = ((found - LOW) / (HIGH - LOW)).clip(0, 1)
    return followed


def _coefficients(
    colors: np.ndarray, coverage: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """The linear function of the color that each pixel's windows have in the mean: slopes
    [h, w, 3] and offset [h, w]."""

    def mean(x: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(x, (2 * radius + 1,) * 2, axes=(0, 1))

    colors, coverage = colors.astype(np.float64), coverage.astype(np.float64)
    color, covered = mean(colors), mean(coverage)
    shared = mean(colors * coverage[..., None]) - color * covered[..., None]
    spread = mean(colors[..., :, None] * colors[..., None, :])
    spread += FLAT * np.eye(3) - color[..., :, None] * color[..., None, :]
    slopes = np.linalg.solve(spread, shared[..., None])[..., 0]
    return mean(slopes), mean(covered - (slopes * color).sum(-1))


def _shrunk(image: np.ndarray, factor: int) -> np.ndarray:
    """Means of blocks; the last ones may be smaller."""
    if factor == 1:
        return image
    planes = image[..., None] if image.ndim == 2 else image
    small = np.stack(
        [
            np.asarray(Image.fromarray(np.ascontiguousarray(planes[..., c])).reduce(factor))
            for c in range(planes.shape[-1])
        ],
        -1,
    )
    return small[..., 0] if image.ndim == 2 else small


def _enlarged(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(plane.astype(np.float32))
    return np.array(image.resize(shape[::-1], Image.Resampling.BILINEAR))
