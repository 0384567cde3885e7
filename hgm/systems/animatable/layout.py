"""Names of a capture's files, frames and cameras that plans need. Without torch and without the
pictures themselves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from hgm.errors import InputError

CALIBRATION: Mapping[str, str] = {  # layout -> the file of the cameras
    "avatarrex": "calibration_full.json",
    "thuman4": "calibration.json",
    "actorshq": "4x/calibration.csv",
}
PARAMETERS = "smpl_params.npz"
# which pictures are not there, and which masks; the lists need not be there themselves
MISSING, MISSING_MASKS = "missing_img_files.txt", "missing_msk_files.txt"
PICTURES = (".jpg", ".png")


def frames_of(text: str) -> list[int]:
    """The frames of `0-1999:2`: first and last, and every n-th of them. Raises InputError for a
    range that no frame is in."""
    span, _, step = text.partition(":")
    first, last = map(int, span.split("-"))
    if last < first:
        raise InputError(f"frames {text}: none is in this range; expected first-last:every")
    return list(range(first, last + 1, max(1, int(step or 1))))


def standin_cameras(cameras: int, held_out: int) -> tuple[list[str], list[str]]:
    """The names of a stand-in's cameras in the order of the rig: those trained on, and those held
    out, which stand evenly among them."""
    count = cameras + held_out
    apart = {(2 * k + 1) * count // (2 * held_out) for k in range(held_out)}
    names = [f"cam{i:02d}" for i in range(count)]
    return (
        [name for i, name in enumerate(names) if i not in apart],
        [name for i, name in enumerate(names) if i in apart],
    )


def camera_names(root: Path, layout: str) -> list[str]:
    """All cameras of a capture's calibration; none where it cannot be read now, such as that of a
    capture that is still to be brought."""
    try:
        text = (root / CALIBRATION[layout]).read_text()
        if layout == "actorshq":
            rows = [row.split(",") for row in text.splitlines() if row.strip()]
            return [row[rows[0].index("name")] for row in rows[1:]]
        return list(json.loads(text))
    except (OSError, ValueError, LookupError, TypeError):
        return []


def stamp(root: Path) -> str:
    """A digest of the names, sizes and times of all pictures below a folder.

    It stands for them in a plan: a capture has too many for each to be a job's input. What they
    hold decides later, in the check's own digest.
    """
    digest = hashlib.sha256()
    for place, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name.endswith(PICTURES):
                path = os.path.join(place, name)
                found = os.stat(path)
                digest.update(
                    f"{os.path.relpath(path, root)} {found.st_size} {found.st_mtime_ns}\n".encode()
                )
    return digest.hexdigest()
