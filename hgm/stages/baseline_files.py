"""The folder of another method's results: which files of a subject are measured (docs/baselines.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MESHES = ("mesh.obj", "mesh.ply", "mesh.glb")
FRAME = "frame.json"
FILES = (*(f"novel_{i:02d}.png" for i in range(12)), *MESHES, FRAME)


def baseline_files(folder: str | Path, subjects: Sequence[str]) -> list[Path]:
    """The files of these subjects that measuring reads, as far as they are there."""
    return [path for subject in subjects for name in FILES if (path := Path(folder) / subject / name).is_file()]
