"""Locks on files. The system releases a lock when the process that holds it ends, however it
ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Any

_held: dict[Path, IO[Any]] = {}  # open for as long as this process lives or until `release`


def hold(path: str | Path) -> bool:
    """Take the lock of a file, which is made if need be; False where another process has it. Never
    waits."""
    path = Path(path).absolute()
    if path in _held:
        return True
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        file = open(path, "a")  # noqa: SIM115 - it stays open
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except BlockingIOError:
            file.close()
            return False
        except FileNotFoundError:
            same = False
        if same:
            _held[path] = file
            return True
        file.close()  # someone deleted the file in between: a lock on it would be seen by nobody


def release(path: str | Path) -> None:
    """Give a lock of `hold` back; nothing happens where there is none."""
    file = _held.pop(Path(path).absolute(), None)
    if file is not None:
        file.close()


def is_held(path: str | Path) -> bool:
    """Whether a process holds the lock of a file."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _let_go() -> None:
    """In a forked child: the lock is the parent's and has to end with it."""
    for file in _held.values():
        file.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
