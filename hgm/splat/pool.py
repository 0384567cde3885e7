"""Threads for kernels that run without the GIL: as many as HGM_THREADS says at the time of the
call, one by default."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):
    # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_pools.clear)


def run_shared(
    function: Callable[..., None], jobs: Iterable[tuple[object, ...]], count: int
) -> None:
    """Run `function(*job)` for every job on `count` threads, the calling one included; the order is
    not defined."""
    if count == 1:
        for job in jobs:
            function(*job)
        return
    if count not in _pools:
        _pools[count] = ThreadPoolExecutor(count - 1, thread_name_prefix="hgm-splat")
    queue = iter(list(jobs))  # one iterator for all threads: its next() is atomic under the GIL

    def drain() -> None:
        for job in queue:
            function(*job)

    helpers = [_pools[count].submit(drain) for _ in range(count - 1)]
    drain()
    for helper in helpers:
        if not helper.cancel():  # one that never started, on a busy machine, has nothing left to do
            helper.result()
