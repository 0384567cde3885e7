"""Files and folders that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

UMASK = os.umask(0o077)  # it can only be asked for by setting another
os.umask(UMASK)


def open_to_others(path: str | Path) -> None:
    """Give what was made as a temporary file or folder the permissions of any other: all that the
    umask leaves."""
    os.chmod(path, (0o777 if os.path.isdir(path) else 0o666) & ~UMASK)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary neighbor of `path`; it takes the place of `path` only when the block ends
    well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(fd, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        open_to_others(name)
        os.replace(name, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say what it could not take
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def remove_unfinished(path: Path) -> None:
    """Delete `path`, and whatever an `atomic_write` of it left that was killed."""
    path.unlink(missing_ok=True)
    remove_parts(path)


def remove_parts(path: Path) -> None:
    """Delete whatever an `atomic_write` of `path` left that was killed."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary neighbor folder that becomes `path` when the block ends well; an older
    `path` is replaced."""
    import shutil

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield work
        open_to_others(work)
        if path.exists():
            shutil.rmtree(path)
        os.replace(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
