"""Wall time of repeated work: CUDA events between synchronisations on a GPU, the performance counter on a CPU."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

WARM_UP = {"cpu": 1, "cuda": 3}
LONG = 30.0  # seconds after which no further repeat begins


def warm_up(work: Callable[[], object], device: str) -> None:
    """Compile, load and fill caches, so that timed runs are alike."""
    for _ in range(WARM_UP[torch.device(device).type]):
        work()


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
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    with torch.cuda.device(device):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        first.record()
        work()
        last.record()
        torch.cuda.synchronize()
    return first.elapsed_time(last) / 1e3
