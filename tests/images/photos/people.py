"""A drawn person whose place in the result is known exactly, and the network input made of it by
plain arithmetic."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from hgm.images.photos.framing import FramedPerson, open_photo
from hgm.images.photos.matting import AlphaChannel, PlainBackground
from hgm.images.photos.sources import Photo

PLAIN = (AlphaChannel(), PlainBackground())
UNIT = 400  # height of the person in its own units; the width is 200


def person(height: int) -> Image.Image:
    """RGBA, antialiased, `height` x `height` / 2 pixels: head, red trunk, outstretched arms of two
    colors, legs with a gap."""
    fine = Image.new("RGBA", (4 * height // 2, 4 * height), (0, 0, 0, 0))
    k = 4 * height / UNIT
    draw = ImageDraw.Draw(fine)
    for box, color in (
        ((70, 0, 130, 80), (150, 90, 60)),
        ((60, 80, 140, 240), (190, 40, 40)),
        ((0, 90, 200, 130), (190, 40, 40)),
        ((0, 90, 60, 130), (120, 20, 120)),
        ((60, 240, 90, 400), (30, 50, 150)),
        ((110, 240, 140, 400), (30, 50, 150)),
    ):
        draw.rectangle(
            [round(box[0] * k), round(box[1] * k), round(box[2] * k) - 1, round(box[3] * k) - 1],
            (*color, 255),
        )
    return fine.reduce(4)


def scene(
    height: int = 200,
    size: tuple[int, int] = (400, 500),
    at: tuple[int, int] = (120, 150),
    color=(255, 255, 255),
) -> Image.Image:
    """An RGB picture with the person on a background of one color."""
    picture = Image.new("RGB", size, color)
    cut_out = person(height)
    picture.paste(cut_out, at, cut_out)
    return picture


@cache
def expected(size: int = 128) -> tuple[torch.Tensor, torch.Tensor]:
    """rgb [3, size, size] over white and mask [1, size, size]: the person 0.72 of the image high,
    centered; every pixel is the mean of the area that it covers."""
    cut_out = person(UNIT * 4)
    fine = 16 * size
    high = round(0.72 * fine)
    page = Image.new("RGB", (fine, fine), "white")
    mask = Image.new("L", (fine, fine))
    large = cut_out.resize((high // 2, high), Image.Resampling.BOX)
    corner = ((fine - high // 2) // 2, (fine - high) // 2)
    page.paste(large, corner, large)
    mask.paste(large.getchannel("A"), corner)
    tensors = [torch.from_numpy(np.array(x.reduce(16), np.float32)) / 255 for x in (page, mask)]
    return tensors[0].movedim(-1, 0), tensors[1][None]


def seen(path: Path, image: Image.Image, size: int = 128, mattings=PLAIN, **save) -> FramedPerson:
    """The network input that is made of a picture saved to `path`."""
    image.save(path, **save)
    return open_photo(Photo(path.stem, path), size, mattings)


def close(found: FramedPerson, mean: float = 0.004, size: int = 128) -> None:
    """Asserts that the network input is the expected one: close on average, and far off at no pixel
    except on the outline."""
    rgb, mask = expected(size)
    assert found.image.shape == rgb.shape and found.mask.shape == mask.shape
    assert (found.image - rgb).abs().mean() < mean, float((found.image - rgb).abs().mean())
    assert (found.mask - mask).abs().mean() < mean, float((found.mask - mask).abs().mean())
    most, least = (sign * torch.nn.functional.max_pool2d(sign * rgb, 5, 1, 2) for sign in (1, -1))
    sure = (most - least).amax(0) < 0.01
    assert sure.sum() > 0.6 * mask.numel() and (mask[0] * sure).sum() > 0.3 * mask.sum()
    assert ((found.image - rgb).abs() * sure).max() < 0.06
