"""The folder of another method's results, and which files of a subject are measured
(docs/baselines.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MESHES = ("mesh.obj", "mesh.ply", "mesh.glb")
FRAME = "frame.json"
NOVEL = "novel_[0-9]*.png"  # one for each view of the data set, with its number


def baseline_files(folder: str | Path, subjects: Sequence[str]) -> list[Path]:
    """The existing files of these subjects that are read to measure them."""
    found = []
    for subject in subjects:
        place = Path(folder) / subject
        found += [
            *sorted(place.glob(NOVEL)),
            *(path for name in (*MESHES, FRAME) if (path := place / name).is_file()),
        ]
    return found
