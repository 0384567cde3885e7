"""What `hgm export` and `hgm view` open: a reconstructed subject's folder, or one file of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hgm.core.run_folder import RunFolder
from hgm.errors import InputError

PARTS = {"gaussians": "gaussians.ply", "mesh": "mesh.glb", "body": "smplx.npz"}
SUFFIXES = {
    ".ply": "gaussians",
    ".spz": "gaussians",
    ".splat": "gaussians",
    ".glb": "mesh",
    ".npz": "body",
}


@dataclass(frozen=True)
class Result:
    """The files of one reconstructed person, as far as they are there; at least one is."""

    path: Path  # as the user named it
    gaussians: Path | None = None
    mesh: Path | None = None
    body: Path | None = None

    @property
    def run(self) -> RunFolder | None:
        """The run that it lies in, None for other places."""
        return RunFolder.around(self.path)

    def need(self, part: str) -> Path:
        """The file of `gaussians`, `mesh` or `body`. Raises InputError where it is not there."""
        file = getattr(self, part)
        if file is None:
            how = {"gaussians": "reconstruct", "mesh": "mesh", "body": "reconstruct"}[part]
            raise InputError(
                f"{self.path}: has no {PARTS[part]}; give a subject's folder of a run whose stage "
                f"{how} is done"
            )
        return file


def find_result(path: Path) -> Result:
    """The parts of results/<run>/subjects/<variant>/<subject>, of a photo's folder of `hgm
    reconstruct`, or a file alone.

    Raises InputError for a path that is not there or holds nothing to show.
    """
    if path.is_file():
        part = SUFFIXES.get(path.suffix.lower())
        if part is None:
            raise InputError(
                f"{path}: not a result; expected a subject's folder or a file that ends with "
                f"{', '.join(SUFFIXES)}"
            )
        return Result(path, **{part: path})
    if not path.is_dir():
        raise InputError(
            f"{path}: no such file or folder; expected a subject's folder, as "
            "results/demo/subjects/full/0505"
        )
    found = {part: path / name for part, name in PARTS.items() if (path / name).is_file()}
    if not found:
        inside = sorted(x.parent.name for x in path.glob("*/gaussians.ply"))
        hint = (
            f"; did you mean {path / inside[0]}?"
            if inside
            else "; expected a subject's folder, as results/demo/subjects/full/0505"
        )
        raise InputError(f"{path}: holds none of {', '.join(PARTS.values())}{hint}")
    return Result(path, **found)
