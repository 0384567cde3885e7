"""Time of repeated work: CUDA events between synchronizations on a GPU; on a CPU wall time, or with
one thread CPU time.

The CPU time of one thread is the wall time of an idle machine: who else uses the machine does not
count.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from hgm.core.processes import threads

WARM_UP = {"cpu": 1, "cuda": 3}
LONG = 30.0  # seconds after which no further run begins


def warm_up(work: Callable[[], object], device: str) -> None:
    """Compile, load and fill caches, so that timed runs are alike; once is enough for slow work."""
    begin = time.perf_counter()
    for _ in range(WARM_UP[torch.device(device).type]):
        work()
        if time.perf_counter() - begin > LONG:
            return


def seconds_of(work: Callable[[], object], device: str, repeats: int) -> list[float]:
    """Seconds of up to `repeats` runs, at least one: work that is slow gets fewer."""
    begin = time.perf_counter()
    samples: list[float] = []
    while len(samples) < repeats and (not samples or time.perf_counter() - begin < LONG):
        samples.append(once(work, device))
    return samples


def once(work: Callable[[], object], device: str) -> float:
    """Seconds of one run."""
    if torch.device(device).type != "cuda":
        now = time.process_time if counts_cpu_time() else time.perf_counter
        start = now()
        work()
        return now() - start
    with torch.cuda.device(device):
        first = torch.cuda.Event(enable_timing=True)
        last = torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        first.record()
        work()
        last.record()
        torch.cuda.synchronize()
    return first.elapsed_time(last) / 1e3


def counts_cpu_time() -> bool:
    """Whether torch and our kernels keep to one thread each, which then take turns."""
    return torch.get_num_threads() == threads() == 1


def clock_name(device: str) -> str:
    """For the table: what the times are."""
    if torch.device(device).type == "cuda":
        return "CUDA events"
    return "CPU time" if counts_cpu_time() else "wall time"
