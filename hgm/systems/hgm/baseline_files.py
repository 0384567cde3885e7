"""The folder of another method's results: which files of a subject are measured
(docs/baselines.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MESHES = ("mesh.obj", "mesh.ply", "mesh.glb")
FRAME = "frame.json"
NOVEL = "novel_[0-9]*.png"  # one for each view of the data set, numbered as its views are


def baseline_files(folder: str | Path, subjects: Sequence[str]) -> list[Path]:
    """The files of these subjects that measuring reads, as far as they are there."""
    found = []
    for subject in subjects:
        place = Path(folder) / subject
        found += [
            *sorted(place.glob(NOVEL)),
            *(path for name in (*MESHES, FRAME) if (path := place / name).is_file()),
        ]
    return found
