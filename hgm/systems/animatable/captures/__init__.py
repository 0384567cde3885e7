"""Captures: multi-view videos of one person with cameras, masks and SMPL-X of each frame, in the
files of AvatarReX, THuman4.0 and ActorsHQ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hgm.systems.animatable.captures.capture import Capture


def open_capture(root: str | Path, layout: str, cameras: Sequence[str] = ()) -> Capture:
    """The capture in a folder, with these of its cameras; all by default. A plan needs only the
    names of files (`layouts`), and so torch is imported here.

    Raises InputError for a folder, calibration or parameters that are missing or wrong, and for
    cameras that have no pictures, or no calibration.
    """
    from hgm.systems.animatable.captures.capture import Capture

    return Capture.read(Path(root), layout, cameras)
