"""Processes that train together: none leaves while the main process writes, and what goes wrong
arrives as one error."""

import os
import signal
import time
from multiprocessing import SimpleQueue
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from hgm.core.processes import Deadline
from hgm.errors import InputError, Interrupted, SliceEnded
from hgm.train import distributed
from hgm.train.distributed import Ranks, launch
from hgm.train.loop import fit
from hgm.train.settings import Optimization


def train(
    ranks: Ranks, folder: Path, deadline: Deadline | None = None, fails_at: int | None = None
) -> None:
    """The main process's disk is so slow that another process, did it not wait, would be gone
    before the state is written."""
    gone = folder / "gone"
    write = torch.save

    def late(*arguments, **names):
        for _ in range(20):
            time.sleep(0.05)
            if gone.exists():
                (folder / "too_early").touch()
        write(*arguments, **names)

    torch.save = late
    torch.manual_seed(0)
    net = nn.Linear(3, 3)

    def loss(micro, generator, part):
        if not ranks.is_main and micro // 2 == fails_at:
            raise InputError("scan 3: made up")
        return net(torch.randn(4, 3, generator=generator)).square().mean(), {}

    try:
        fit(
            net,
            loss,
            Optimization(steps=3, lr=1e-3, accumulate=2),
            stage="t",
            seed=0,
            state=folder / "state",
            ranks=ranks,
            deadline=deadline,
            save_seconds=0.0,
        )
    except BaseException:
        if not ranks.is_main:
            gone.touch()
        raise


def read(folder: Path) -> int:
    """The step of the state that was left: a whole file, no part of one beside it, and nobody left
    before it was there."""
    assert sorted(p.name for p in (folder / "state").iterdir()) == ["progress.json", "state.pt"]
    assert sorted(p.name for p in folder.iterdir()) == ["gone", "state"]
    return torch.load(folder / "state" / "state.pt", weights_only=True)["step"]


def test_the_end_of_a_slice_waits_for_the_leaders_state(tmp_path):
    with pytest.raises(SliceEnded, match="stopped at step 1 of 3"):
        launch(2, "cpu", train, tmp_path, Deadline(0.0))
    assert read(tmp_path) == 1


def test_an_error_of_another_process_does_not_interrupt_the_leaders_writing(tmp_path):
    with pytest.raises(InputError, match="scan 3: made up"):
        launch(2, "cpu", train, tmp_path, None, 1)
    assert read(tmp_path) == 1


def full(ranks: Ranks) -> None:
    if ranks.is_main:
        raise OSError(28, "No space left on device", "state.pt")
    ranks.broadcast(False)


def killed(ranks: Ranks) -> None:
    if not ranks.is_main:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks.broadcast(False)


def broken(ranks: Ranks) -> None:
    raise RuntimeError(f"a fault of process {ranks.rank}")


def test_a_full_disk_and_a_killed_process_are_told_as_in_one_process():
    with pytest.raises(OSError, match="No space left on device") as found:
        launch(2, "cpu", full)
    assert found.value.errno == 28 and found.value.filename == "state.pt"
    with pytest.raises(Interrupted, match="process 1 of 2 was stopped by SIGKILL"):
        launch(2, "cpu", killed)
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="a fault of process"):
        launch(2, "cpu", broken)


def test_a_collective_call_waits_longer_than_a_validation_lasts(tmp_path, monkeypatch):
    given = []
    begin = dist.init_process_group
    monkeypatch.setattr(
        dist,
        "init_process_group",
        lambda *a, **names: given.append(names["timeout"]) or begin(*a, **names),
    )
    threads = torch.get_num_threads()
    distributed._run_rank(
        0, 1, "cpu", f"file://{tmp_path}/rendezvous", SimpleQueue(), given.append, ()
    )
    torch.set_num_threads(threads)
    assert given[0].total_seconds() >= 3600 and given[1] == Ranks(0, 1)
