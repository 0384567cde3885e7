"""Paths for Blender: file names that it reads correctly, and a folder in memory for large
short-lived files."""

from __future__ import annotations

import os
from pathlib import Path

from hgm.core.keys import digest


def readable(path: Path, folder: Path) -> Path:
    """The absolute path of a file; a link to it in `folder` where the path holds a backslash, which
    Blender takes for a slash."""
    place = path.resolve()
    if "\\" not in str(place):
        return place
    link = folder / f"{digest(str(place))}{place.suffix}"
    link.unlink(missing_ok=True)
    link.symlink_to(place)
    return link


def memory_folder() -> str | None:
    """A folder in memory, where there is one: for the files that carry pixels from Blender to
    numpy."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
