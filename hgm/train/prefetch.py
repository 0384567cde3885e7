"""Batches that threads prepare ahead, so that a GPU does not wait for decoding and augmentation.

This module does not import torch: resource requests are computed from its constants.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
LOADERS = 4  # threads of a training on a GPU
AHEAD = 8  # batches
STORE = 8 << 30  # bytes of decoded pictures that a training keeps
# the same for that of the normal net, and of its pictures of bodies
NORMALS_STORE = 2 << 30
BODIES_STORE = 1 << 30


class Prefetch(Generic[T]):
    """`make(i)` for i = any first one, then every `stride`-th in order; `make` depends on i only
    and may run on any thread.

    With `threads` = 0 each is made when it is asked for. The last one may be asked for again.
    """

    def __init__(
        self, make: Callable[[int], T], *, stride: int = 1, threads: int = 0, ahead: int = AHEAD
    ) -> None:
        self.make = make
        self.stride = stride
        self.ahead = ahead
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="hgm-data") if threads else None
        self.waiting: dict[int, Future[T]] = {}
        self.last: tuple[int, T] | None = None

    def __getitem__(self, index: int) -> T:
        """What `make(index)` returns or raises; the next ones are begun."""
        if self.last is None or self.last[0] != index:
            self.last = (index, self._next(index))
        return self.last[1]

    def _next(self, index: int) -> T:
        if self.pool is None:
            return self.make(index)
        for i in range(index, index + (self.ahead + 1) * self.stride, self.stride):
            if i not in self.waiting:
                self.waiting[i] = self.pool.submit(self.make, i)
        return self.waiting.pop(index).result()

    def close(self) -> None:
        """Drop what was begun and not asked for."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
