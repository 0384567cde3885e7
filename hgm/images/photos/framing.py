"""The largest person of a picture, centered in a square as the networks were trained to see
people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from hgm.errors import InputError
from hgm.images.photos.matting import MaskFile, Matte, Matting, find_people
from hgm.images.photos.picture import read_picture
from hgm.images.photos.sources import Photo

# share of the image that a person's longer side takes, as 1.35 of 1.875 visible units in the
# rendered data
FILL = 0.72
INSIDE = 0.5  # coverage above which a pixel is somebody's
SPECK = 0.15  # of the largest person's area: smaller parts are not counted as people
SMALLEST = 16  # pixels of a person's longer side
EVERYTHING = 0.95  # of the picture: what covers more is no person cut out
# of the person's longer side, so far soft pixels around the person still are the person's
RIM = 0.02


@dataclass(frozen=True)
class FramedPerson:
    """What the networks see of a photo."""

    image: Tensor  # float32 [3, size, size] in [0, 1] over white
    mask: Tensor  # float32 [1, size, size] coverage
    matting: str  # what told the person from the background
    notes: tuple[str, ...] = ()  # what the user should know
    # what it shows of the upright photo, and may go beyond: left, top, right, bottom in shares of
    # the photo's width and height
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def open_photo(photo: Photo, size: int, mattings: Sequence[Matting]) -> FramedPerson:
    """The largest person of a photo. Its mask tells people from background, without one `mattings`,
    tried in order.

    Raises InputError, naming the photo, for an unreadable file, nobody, no background, or too small
    a person.
    """
    picture = read_picture(photo.path)
    try:
        matte = find_people(picture, mattings if photo.mask is None else (MaskFile(photo.mask),))
        if matte is None:
            raise InputError(
                "no way to tell the person from the background; give a mask or a transparent "
                "background"
            )
        return frame_person(picture.rgb, matte, size)
    except InputError as error:
        raise InputError(f"{photo.path}: {error}") from None


def frame_person(rgb: np.ndarray, matte: Matte, size: int) -> FramedPerson:
    """The largest person of rgb uint8 [H, W, 3], the box around it centered, its longer side FILL
    of `size`."""
    core, others = _largest(matte.coverage > INSIDE)
    rows, columns = (np.flatnonzero(core.any(axis)) for axis in (1, 0))
    top = int(rows[0])
    bottom = int(rows[-1]) + 1
    left = int(columns[0])
    right = int(columns[-1]) + 1
    side = max(bottom - top, right - left)
    if side < SMALLEST:
        raise InputError(f"the person is {side} pixels large; at least {SMALLEST} are needed")
    if core.mean() > EVERYTHING:
        raise InputError(
            "no background to be seen; cut the person out first (a mask, or a transparent or "
            "white background)"
        )
    rim = max(1, round(RIM * side))
    near = (slice(max(top - rim, 0), bottom + rim), slice(max(left - rim, 0), right + rim))
    own = ndimage.maximum_filter(core[near], size=2 * rim + 1) & ~(
        (matte.coverage[near] > INSIDE) & ~core[near]
    )
    coverage = np.where(own, matte.coverage[near], 0).astype(np.float32)
    light = matte.premultiplied(rgb[near], coverage)
    half = side / FILL / 2
    across = (left + right) / 2 - near[1].start
    down = (top + bottom) / 2 - near[0].start
    box = (across - half, down - half, across + half, down + half)
    planes = torch.stack(
        [
            torch.from_numpy(_cut(plane, box, size))
            for plane in (*np.moveaxis(light, -1, 0), coverage)
        ]
    )
    mask = planes[3:].clamp(0, 1)
    height, width = core.shape
    return FramedPerson(
        (planes[:3] + 1 - mask).clamp(0, 1),
        mask,
        matte.source,
        (*matte.notes, *_notes(core, others)),
        (
            ((left + right) / 2 - half) / width,
            ((top + bottom) / 2 - half) / height,
            ((left + right) / 2 + half) / width,
            ((top + bottom) / 2 + half) / height,
        ),
    )


def _largest(inside: np.ndarray) -> tuple[np.ndarray, int]:
    """The largest connected part of [H, W] bool, and how many others are large enough to be
    people."""
    labels, count = ndimage.label(inside, structure=np.ones((3, 3)))
    if count == 0:
        raise InputError(
            "nobody found; give a picture of a person with a mask, or with a transparent or plain "
            "background"
        )
    areas = np.bincount(labels.ravel())[1:]
    largest = int(areas.argmax())
    return labels == largest + 1, int((areas > SPECK * areas[largest]).sum()) - 1


def _notes(core: np.ndarray, others: int) -> list[str]:
    notes = []
    if others:
        notes.append(f"{others + 1} people found; the largest is taken")
    borders = {"top": core[0], "bottom": core[-1], "left": core[:, 0], "right": core[:, -1]}
    cut = [name for name, line in borders.items() if line.any()]
    if cut:
        notes.append(
            f"the person reaches the {' and '.join(cut)} of the picture and may be cut off there; "
            "the networks expect a whole person, so give a picture with room around it"
        )
    return notes


def _cut(plane: np.ndarray, box: tuple[float, float, float, float], size: int) -> np.ndarray:
    """The square `box` (left, top, right, bottom; fractions of pixels, may leave the plane) of [H,
    W], antialiased, zero outside."""
    left = math.floor(box[0])
    top = math.floor(box[1])
    right = math.ceil(box[2])
    bottom = math.ceil(box[3])
    canvas = np.zeros((bottom - top, right - left), np.float32)
    height, width = plane.shape
    y0 = max(top, 0)
    y1 = min(bottom, height)
    x0 = max(left, 0)
    x1 = min(right, width)
    canvas[y0 - top : y1 - top, x0 - left : x1 - left] = plane[y0:y1, x0:x1]
    inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return np.array(
        Image.fromarray(canvas).resize((size, size), Image.Resampling.BILINEAR, box=inner)
    )
