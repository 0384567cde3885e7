"""Where first bodies lie in a folder: those that PIXIE and PyMAF-X leave, and any file of SMPL-X
parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hgm.body.estimators.programs import PROGRAMS
from hgm.errors import InputError

LEFT = [place for program in PROGRAMS.values() for place in program.written.values()]
PLACES = (
    "{0}/smplx.npz",
    "{0}/smplx.pkl",
    "{0}.npz",
    "{0}.pkl",
    *(next(iter(p.written.values())) for p in PROGRAMS.values()),
)


def find_estimate(folder: Path, subject: str) -> Path | None:
    """The first of PLACES that exists in a folder of estimates."""
    return next(
        (path for place in PLACES if (path := folder / place.format(subject)).is_file()), None
    )


def estimate_file(folder: Path, subject: str) -> Path:
    """As `find_estimate`. Raises InputError where there is none."""
    path = find_estimate(folder, subject)
    if path is None:
        raise InputError(
            f"{folder}: has no estimate of {subject}; expected one of "
            f"{', '.join(p.format(subject) for p in PLACES)} (docs/estimators.md)"
        )
    return path


def estimate_files(folder: str | Path, subjects: Sequence[str]) -> list[Path]:
    """All files that reading the bodies of these subjects may open, as far as they are there; each
    once."""
    found = {
        path: None
        for subject in subjects
        for place in (*PLACES, *LEFT)
        if (path := Path(folder) / place.format(subject)).is_file()
    }
    return list(found)
