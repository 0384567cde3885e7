"""Which pictures of a capture can be worked with."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from hgm.core.manifests import read_json
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.systems.animatable.captures.capture import Capture, check_size
from hgm.systems.animatable.captures.footage import Shot

log = logging.getLogger(__name__)
COVERED = 128  # of a mask's 255: what reaches it is the person
SHRUNK = 8  # a JPEG can be decoded at this part of its size in a fraction of the time


def unusable_shots(capture: Capture, shots: Iterable[Shot]) -> dict[Shot, str]:
    """Which of these have pictures that cannot be used, and why: a damaged file, or a mask that
    shows nobody. What the capture is known to lack is left out.

    Raises InputError for frames that have no parameters, for pictures that are not there, of
    another size than the calibration's, and for a camera of which nothing can be used.
    """
    asked = list(dict.fromkeys(shots))
    last = len(capture.motion) - 1
    for camera, frame in asked:
        if frame > last:
            raise InputError(
                f"{capture.root}: frame {frame} of camera {camera} is asked for, but "
                f"smpl_params.npz holds frames 0 to {last}; shorten capture.train or capture.test"
            )
    asked = [shot for shot in asked if capture.has(*shot)]
    paths = [p for shot in asked for p in (capture.image_path(*shot), capture.mask_path(*shot))]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise InputError(
            f"{absent[0]}: no such file, though smpl_params.npz has its frame ({len(absent)} of "
            f"{len(paths)} files lack); shorten capture.train or capture.test, or list what is "
            "lacking in missing_img_files.txt"
        )
    progress = Progress("pictures", len(asked))
    reasons = {}
    for shot in progress.each(asked, lambda shot: f"{shot[0]}, frame {shot[1]}"):
        if why := _fault(capture, *shot):
            log.warning("%s: set aside: %s", capture.mask_path(*shot), why)
            reasons[shot] = why
    for name in dict.fromkeys(camera for camera, _ in asked):
        own = [shot for shot in asked if shot[0] == name]
        if all(shot in reasons for shot in own):
            raise InputError(
                f"{capture.mask_path(*own[0])}: {reasons[own[0]]}; none of the {len(own)} pictures "
                f"of camera {name} can be used: leave it out of capture.cameras"
            )
    return reasons


def set_aside_in(check: Path) -> frozenset[Shot]:
    """The pictures that a check set aside, of what it wrote (`hgm.systems.animatable.check`).
    Raises InputError for another file."""
    try:
        names = list(read_json(check)["set_aside"])
        return frozenset(shot_of(name) for name in names)
    except (LookupError, TypeError, ValueError):
        raise InputError(f"{check}: names nothing set aside; delete it and run again") from None


def name_of(shot: Shot) -> str:
    """A picture's name in a check: `camera/frame`."""
    return f"{shot[0]}/{shot[1]}"


def shot_of(name: str) -> Shot:
    camera, _, frame = name.rpartition("/")
    return camera, int(frame)


def _fault(capture: Capture, camera: str, frame: int) -> str:
    """Why a picture cannot be used, or nothing. Raises InputError for one of another size."""
    wanted = capture.cameras[camera].width, capture.cameras[camera].height
    image_path, mask_path = capture.image_path(camera, frame), capture.mask_path(camera, frame)
    try:
        with Image.open(image_path) as image:
            size = image.size
            image.draft("RGB", (wanted[0] // SHRUNK, wanted[1] // SHRUNK))
            image.load()
        with Image.open(mask_path) as mask:
            mask_size = mask.size
            mask.draft("L", (wanted[0] // SHRUNK, wanted[1] // SHRUNK))
            highest = int(np.asarray(mask.convert("L")).max())
        if 0 < highest < COVERED:  # somebody who is far away fades when the picture shrinks
            with Image.open(mask_path) as mask:
                highest = int(np.asarray(mask.convert("L")).max())
    except Exception as error:  # a damaged file can raise anything from the decoder
        return f"not a readable image ({error})"
    check_size(image_path, size, wanted, capture.files_layout)
    check_size(mask_path, mask_size, wanted, capture.files_layout)
    return "" if highest >= COVERED or highest == 1 else "the mask is empty: it shows nobody"
