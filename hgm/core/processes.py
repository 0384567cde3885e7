"""Processes: how many threads they use, what ends them, and the deadline of a job."""

from __future__ import annotations

import os
import signal
import sys
import time

from hgm.errors import InputError

SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl
# signals that a program brings on itself
MOST_THREADS = 8  # of our pools: with more, handing out the work takes longer than the work
FAULTS = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")


def use_threads(count: int) -> None:
    """Let torch and our own pools use `count` threads; one thread is exact and the fastest on
    shared cores."""
    import torch

    os.environ["HGM_THREADS"] = str(count)
    torch.set_num_threads(count)


def use_all_cores() -> None:
    """Let torch, before it is imported, and our own pools use the cores of this process, unless the
    environment says otherwise. Threads of torch that wait sleep: spinning, they take the cores that
    the others need, and on a busy machine nothing goes on."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    cores = min(len(os.sched_getaffinity(0)), MOST_THREADS)
    os.environ.setdefault("HGM_THREADS", str(cores))


def stopped_by(code: int) -> str | None:
    """The signal by which a process of exit status `code` was stopped from outside (kill, the
    kernel when memory ran out); None where it ended by itself or by a fault of its own."""
    name = signal.Signals(-code).name if code < 0 else None
    return None if name in FAULTS else name


def die_with_parent() -> None:
    """Let this process be killed when its parent dies; else it would go on writing while a rerun
    writes the same files."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


class Deadline:
    """The moment by which a job has to stop, early enough to save its state. Without a limit of
    time it never comes."""

    def __init__(self, seconds: float | None = None, margin: float = 60.0) -> None:
        self.at = (
            None
            if seconds is None
            else time.monotonic() + max(seconds - min(margin, 0.1 * seconds), 0.0)
        )

    def passed(self, reserve: float = 0.0) -> bool:
        """Whether it has come, or comes within the next `reserve` seconds, which saving is known to
        take."""
        return self.at is not None and time.monotonic() + reserve >= self.at


def threads() -> int:
    """HGM_THREADS, 1 where it is not set. Raises InputError unless it is a positive whole
    number."""
    text = os.environ.get("HGM_THREADS", "1")
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InputError(
            f"HGM_THREADS: {text!r} is not a number of threads; set it to 1 or more, or unset it"
        )
    return int(text)
