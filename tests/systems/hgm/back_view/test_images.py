import numpy as np
import pytest
import torch

from hgm.errors import InputError
from hgm.systems.hgm.back_view.images import (
    degrade,
    foreground_boxes,
    over_white,
    random_crops,
    silhouette,
)


def bilinear(small: np.ndarray, factor: int) -> np.ndarray:
    """Upsample [h, w] with pixel centers at +0.5 and clamped borders, one pixel at a time."""
    h, w = small.shape
    big = np.zeros((h * factor, w * factor))
    for y in range(h * factor):
        for x in range(w * factor):
            v = max((y + 0.5) / factor - 0.5, 0)
            u = max((x + 0.5) / factor - 0.5, 0)
            i = min(int(v), h - 1)
            j = min(int(u), w - 1)
            k = min(i + 1, h - 1)
            m = min(j + 1, w - 1)
            a = v - i
            b = u - j
            big[y, x] = (1 - a) * ((1 - b) * small[i, j] + b * small[i, m]) + a * (
                (1 - b) * small[k, j] + b * small[k, m]
            )
    return big


@pytest.mark.parametrize("factor", [2, 4])
def test_degrade_is_area_down_then_bilinear_up(factor: int) -> None:
    image = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(0))
    small = (
        image.numpy()
        .astype(np.float64)
        .reshape(3, 8 // factor, factor, 12 // factor, factor)
        .mean((2, 4))
    )
    expected = np.stack([bilinear(channel, factor) for channel in small])
    np.testing.assert_allclose(degrade(image, factor).numpy(), expected, atol=1e-6)


def test_degrade_refuses_a_factor_that_does_not_divide() -> None:
    with pytest.raises(InputError, match="factors: 3 does not divide"):
        degrade(torch.rand(3, 8, 8), 3)


def test_silhouette_drops_faint_alpha_and_grows_by_pixels() -> None:
    alpha = torch.full((1, 11, 11), 0.3)
    alpha[0, 5, 5] = 0.8
    mask = silhouette(alpha, threshold=0.5, dilation=2)
    expected = torch.zeros(1, 11, 11)
    expected[0, 3:8, 3:8] = 0.8
    assert torch.equal(mask, expected)


def test_over_white() -> None:
    rgb = torch.rand(3, 2, 2)
    mask = torch.tensor([[[1.0, 0.0], [0.5, 1.0]]])
    out = over_white(rgb, mask)
    assert torch.equal(out[:, 0, 0], rgb[:, 0, 0])
    assert torch.equal(out[:, 0, 1], torch.ones(3))
    torch.testing.assert_close(out[:, 1, 0], (rgb[:, 1, 0] + 1) / 2)


def test_crops_lie_around_the_foreground() -> None:
    images = torch.full((2, 3, 40, 40), 255, dtype=torch.uint8)
    images[0, :, 30:36, 4:8] = 0
    boxes = foreground_boxes(images)
    assert boxes.tolist() == [[30, 35, 4, 7], [0, 39, 0, 39]]
    crops = random_crops(images, boxes, [0] * 20, 16, torch.Generator().manual_seed(1))
    assert crops.shape == (20, 3, 16, 16)
    assert ((crops == 0).flatten(1).sum(1) == 3 * 6 * 4).all()  # the whole block is in every crop
