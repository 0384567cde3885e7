"""Image operations of the back-view branch: removing detail, crops around the person, the white
background."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.errors import InputError


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 or float 0..1 -> float32 0..1."""
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


def degrade(image: Tensor, factor: int) -> Tensor:
    """Remove detail: area-downsample [3, H, W] by `factor`, then upsample bilinearly to the old
    size.

    Raises InputError when `factor` does not divide the size.
    """
    height, width = image.shape[-2:]
    if factor < 1 or height % factor or width % factor:
        raise InputError(
            f"factors: {factor} does not divide an image of {width} x {height}; choose a divisor "
            "of both"
        )
    if factor == 1:
        return image
    small = F.avg_pool2d(image[None], factor)
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)[0].clamp(
        0, 1
    )


def foreground_boxes(images: Tensor) -> Tensor:
    """Images [M, 3, H, W] on white -> int64 [M, 4]: first row, last row, first column and last
    column with a pixel that is not white.

    The box of an all-white image is the whole image.
    """
    boxes = []
    for image in images:  # one by one, since all images as floats take four times the memory
        inside = (as_float(image) < 0.99).any(0)
        if not inside.any():
            inside = torch.ones_like(inside)
        rows = inside.any(1).nonzero()[:, 0]
        columns = inside.any(0).nonzero()[:, 0]
        boxes.append(torch.stack([rows[0], rows[-1], columns[0], columns[-1]]))
    return torch.stack(boxes)


def crop_places(
    boxes: Tensor,
    indices: Sequence[int],
    size: int,
    shape: Sequence[int],
    generator: torch.Generator,
    *,
    multiple: int = 1,
) -> list[tuple[int, int]]:
    """First row and column of a crop of `size` pixels for each index. The crop's center is uniform
    in the image's box; the crop is then moved to lie inside an image of `shape` (H, W) and to begin
    at a multiple of `multiple` pixels."""
    height, width = shape
    places = []
    for i in indices:
        first_row, last_row, first_column, last_column = boxes[i].tolist()
        u, v = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        row = round(first_row + u * (last_row - first_row)) - size // 2
        column = round(first_column + v * (last_column - first_column)) - size // 2
        row = min(max(row, 0), height - size)
        column = min(max(column, 0), width - size)
        places.append((row // multiple * multiple, column // multiple * multiple))
    return places


def cut(
    images: Sequence[Tensor], places: Sequence[tuple[int, int]], size: int, *, reduced: int = 1
) -> Tensor:
    """Crops [B, C, size / reduced, size / reduced] of B images. `places` and `size` are in pixels
    of pictures whose sides are `reduced` times longer, such as the images of which these are
    latents."""
    edge = size // reduced
    return torch.stack(
        [
            image[:, row // reduced :, column // reduced :][:, :edge, :edge]
            for image, (row, column) in zip(images, places, strict=True)
        ]
    )


def random_crops(
    images: Tensor, boxes: Tensor, indices: Sequence[int], size: int, generator: torch.Generator
) -> Tensor:
    """Float [len(indices), 3, size, size]: crops around the person in images [M, 3, H, W] (see
    `crop_places`)."""
    places = crop_places(boxes, indices, size, images.shape[-2:], generator)
    return as_float(cut([images[i] for i in indices], places, size))


def silhouette(alpha: Tensor, threshold: float = 0.5, dilation: int = 2) -> Tensor:
    """Soft mask [1, H, W]: alpha where it is at least `threshold`, else 0; then the maximum within
    `dilation` pixels."""
    kept = torch.where(alpha >= threshold, alpha, torch.zeros_like(alpha)).clamp(0, 1)
    return F.max_pool2d(kept[None], 2 * dilation + 1, stride=1, padding=dilation)[0]


def over_white(rgb: Tensor, mask: Tensor) -> Tensor:
    """[3, H, W] blended over white with mask [1, H, W]."""
    return rgb * mask + (1 - mask)
