import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, missing
from cluster_runs import ClusterRun
from made_once import once, shared_folder
from new_system import write_system
from workspace import FIELD, HGM, LONGER, MARKED, STANDINS, TINT, TINY, Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """An empty working folder."""
    return Workspace(tmp_path / "work")


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all test processes share."""
    return shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def calm(shared) -> Workspace:
    """An undisturbed run of HGM's tiny preset, made once for all test processes, its jobs forks of
    one process; tests may read and copy it, not change it. Its folder is inside its home folder."""
    with once(shared, "calm") as missing:
        space = Workspace(shared / "calm")
        if missing:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in {"HOME": str(shared), **MARKED}.items():
                    patch.setenv(name, value)
                space.run(*TINY, imports=HGM)
    return space


@pytest.fixture(scope="session")
def tint(shared) -> Path:
    """A checkout with the system of docs/new-system.md, the same for all test processes."""
    with once(shared, "checkout") as missing:
        if missing:
            folder = write_system(shared / "checkout")
            (folder / LONGER).write_text("field: {steps: 600}\n")
    return shared / "checkout"


@pytest.fixture(scope="session")
def tint_calm(shared, tint) -> Workspace:
    """An undisturbed run of that system's tiny preset; tests may read and copy it, not change
    it."""
    with once(shared, "tint_calm") as missing:
        space = Workspace(shared / "tint_calm", tint)
        if missing:
            space.run(*TINT, imports=STANDINS)
    return space


@pytest.fixture(scope="session")
def tint_trained(shared, tint_calm) -> Workspace:
    """The same run with a training that takes long enough to be stopped (the preset LONGER)."""
    folder = shared / "tint_trained"
    with once(shared, "tint_trained") as missing:
        if missing:
            tint_calm.copied_to(folder).run(*FIELD[:3], LONGER, "--cores", "1")
    return Workspace(folder, tint_calm.root)


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


@pytest.fixture
def training(cluster, tint_trained, tmp_path) -> Iterator[Callable[..., ClusterRun]]:
    """Makes runs on the cluster in which only a training is left to do; afterwards the cluster is
    whole again."""

    def make(**options: str) -> ClusterRun:
        tint_trained.copied_to(tmp_path / "work")
        run = ClusterRun(cluster, tmp_path / "work", tint_trained.root, **options)
        run.forget_training("field")
        return run

    yield make
    cluster.mend()
