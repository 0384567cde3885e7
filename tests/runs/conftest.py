import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, missing
from workspace import MARKED, TINY, Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """An empty working folder."""
    return Workspace(tmp_path / "work")


@pytest.fixture(scope="session")
def calm(tmp_path_factory) -> Workspace:
    """An undisturbed run of the tiny preset, made once for all test processes: to look at and to
    copy, not to change. Its folder lies in its home folder."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with open(shared / "calm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        space = Workspace(shared / "calm")
        if not (shared / "calm.done").exists():
            with pytest.MonkeyPatch.context() as patch:
                for name, value in {"HOME": str(shared), **MARKED}.items():
                    patch.setenv(name, value)
                space.run(*TINY)
            (shared / "calm.done").touch()
    return space


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A SLURM of three nodes on this machine."""
    if missing():
        pytest.skip(missing())
    # short: paths of sockets end at 108 characters
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
    folder.chmod(0o755)
    made = Cluster(folder, name=f"{os.environ.get('PYTEST_XDIST_WORKER', '')}n")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
