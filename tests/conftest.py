"""Runs tests with one thread unless HGM_THREADS says otherwise, which is fastest on shared cores,
and in an order that keeps all processes busy. Ctrl-C works in processes that tests start."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HGM_THREADS", "1")

import pytest
import torch

TESTS = Path(__file__).parent
# The longest files start first, so that no process is left alone with one of them at the end: two
# that compute all the time, and two that mostly wait for SLURM.
FIRST = (
    "runs/test_runs.py",
    "runs/test_head_avatars.py",
    "runs/test_slurm_faults.py",
    "runs/test_slurm_outages.py",
    "devices/test_gpu_checks.py",
    "runs/test_faults.py",
    "workflow/test_environment_installs.py",
    "runs/test_estimator_rules.py",
    "runs",
)
torch.set_num_threads(int(os.environ["HGM_THREADS"]))
# a background process of a shell ignores SIGINT, and so would all processes that the tests start
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, as jobs on a CPU have: the sums of several threads have no fixed order, so bytes
    would differ from run to run."""
    before = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "HGM_THREADS"):
        monkeypatch.setenv(name, "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pretended-cuda",
        action="store_true",
        help="run the tests of tests/gpu on a pretended CUDA device",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m gpu` only tests/gpu is imported, since other files may need packages that a machine
    with a GPU lacks."""
    elsewhere = TESTS in collection_path.parents and not collection_path.is_relative_to(
        TESTS / "gpu"
    )
    return True if elsewhere and config.option.markexpr == "gpu" else None


def begun(item: pytest.Item) -> int:
    return next(
        (i for i, name in enumerate(FIRST) if item.path.is_relative_to(TESTS / name)), len(FIRST)
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=begun)
    if torch.cuda.is_available() or config.getoption("pretended_cuda"):
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
