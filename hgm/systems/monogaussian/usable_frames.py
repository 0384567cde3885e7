"""Which frames of a clip have pictures and masks that can be worked with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hgm.errors import InputError

log = logging.getLogger(__name__)
FEW = 20  # frames; fewer make no avatar
COVERED = 128  # of a mask's 255: what reaches it is the person
DEEP = ("I", "F")  # how Pillow's names of pixels begin that have more than 8 bits
TOO_DEEP = "has more than 8 bits a pixel; save it as a PNG of 8 bits"


def is_deep(image: Image.Image) -> bool:
    """Whether an opened picture has more than 8 bits a pixel."""
    return image.mode.startswith(DEEP)


def unusable_frames(images: Sequence[Path], masks: Sequence[Path]) -> dict[int, str]:
    """The frames of a clip whose pictures cannot be used, and why: a damaged file, more than 8
    bits, a mask of another size, or one that shows nobody or cuts nobody out. Raises InputError for
    frames without pictures, and where no frame can be used."""
    for paths in (images, masks):
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise InputError(
                f"{missing[0]}: no such file, though the clip's parameters have the frame "
                f"({len(missing)} of {len(paths)} frames lack theirs); add the pictures or remove "
                "the frames"
            )
    pairs = zip(images, masks, strict=True)
    reasons = {i: why for i, (image, mask) in enumerate(pairs) if (why := _fault(image, mask))}
    for i, why in reasons.items():
        log.warning("%s: frame set aside: %s", masks[i], why)
    kept = len(masks) - len(reasons)
    if not kept:
        raise InputError(f"{masks[0]}: {reasons[0]}; no frame of the clip can be used")
    if kept < FEW:
        log.warning("%s: %d frames are few; an avatar needs %d", masks[0].parents[1], kept, FEW)
    return reasons


def _fault(image_path: Path, mask_path: Path) -> str:
    """Why a frame's pictures cannot be used, or nothing."""
    try:
        with Image.open(image_path) as image:
            size, deep = image.size, is_deep(image)
        with Image.open(mask_path) as mask:
            if deep or is_deep(mask):
                return f"the {'image' if deep else 'mask'} {TOO_DEEP}"
            if mask.size != size:
                return f"the mask is {list(mask.size)}, the image {list(size)} pixels"
            values = np.asarray(mask.convert("L"))
    except Exception as error:  # a damaged file can raise anything from the decoder
        return f"not a readable image ({error})"
    lowest, highest = int(values.min()), int(values.max())
    if highest == 0:
        return "the mask is empty"
    if highest < COVERED:
        return (
            f"the mask's highest value is {highest}: it shows nobody, since masks go from 0 to 255"
        )
    if lowest >= COVERED:
        return "the mask covers the whole picture, expected head and shoulders alone"
    return ""
