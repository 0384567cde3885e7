"""Names of files as Blender can read them."""

from __future__ import annotations

from pathlib import Path

from hgm.provenance import digest


def readable(path: Path, folder: Path) -> Path:
    """The absolute path of a file; a link to it in `folder` where the path holds a backslash, which Blender takes for a slash."""
    place = path.resolve()
    if "\\" not in str(place):
        return place
    link = folder / f"{digest(str(place))}{place.suffix}"
    link.unlink(missing_ok=True)
    link.symlink_to(place)
    return link
