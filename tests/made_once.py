"""What is made once for all processes of a test session."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes share."""
    folder = factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@contextmanager
def once(shared: Path, name: str) -> Iterator[bool]:
    """Yields whether something that is made once for all test processes is still to be made; other
    processes wait meanwhile."""
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not (shared / f"{name}.done").exists()
        (shared / f"{name}.done").touch()
