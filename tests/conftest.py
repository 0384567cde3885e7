"""One thread unless HGM_THREADS says otherwise: the fastest on shared cores; Ctrl-C works in what tests start."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HGM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(int(os.environ["HGM_THREADS"]))
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background, and then of all that the tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
