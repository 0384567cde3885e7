"""Which frames of a clip have pictures and masks that can be worked with."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hgm.errors import InputError

if TYPE_CHECKING:
    from hgm.systems.monogaussian.clip import Clip

log = logging.getLogger(__name__)
FEW = 20  # frames; fewer make no avatar
COVERED = 128  # of a mask's 255: what reaches it is the person
DEEP = ("I", "F")  # how Pillow's names of pixels begin that have more than 8 bits


def usable_frames(clip: Clip) -> Clip:
    """The frames of a clip whose pictures can be used, with the reasons why others are set aside: a
    damaged file, more than 8 bits, a mask of another size, or one that shows nobody or cuts nobody
    out. Raises InputError for frames without pictures, and where all frames are set aside."""
    for kind in ("image", "mask"):
        missing = [i for i in range(len(clip)) if not clip.path(kind, i).is_file()]
        if missing:
            raise InputError(
                f"{clip.path(kind, missing[0])}: no such file, though the clip's parameters have "
                f"the frame ({len(missing)} of {len(clip)} frames lack theirs); add the pictures "
                "or remove the frames"
            )
    reasons = {i: why for i in range(len(clip)) if (why := _fault(clip, i))}
    for i, why in reasons.items():
        log.warning("%s: frame set aside: %s", clip.path("mask", i), why)
    if len(reasons) == len(clip):
        raise InputError(f"{clip.path('mask', 0)}: {reasons[0]}; no frame of the clip can be used")
    kept = [i for i in range(len(clip)) if i not in reasons]
    if len(kept) < FEW:
        log.warning("%s: %d frames are few; an avatar needs %d", clip.folder, len(kept), FEW)
    set_aside = {clip.names[i]: why for i, why in reasons.items()}
    return dataclasses.replace(clip[kept], set_aside=set_aside)


def _fault(clip: Clip, frame: int) -> str:
    """Why a frame's pictures cannot be used, or nothing."""
    try:
        with Image.open(clip.path("image", frame)) as image:
            size, deep = image.size, image.mode.startswith(DEEP)
        with Image.open(clip.path("mask", frame)) as mask:
            if deep or mask.mode.startswith(DEEP):
                which = "image" if deep else "mask"
                return f"the {which} has more than 8 bits a pixel; save it as a PNG of 8 bits"
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
