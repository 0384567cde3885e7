"""One way of doing a stage's work becomes one row: its time, its floor and their ratio, its memory,
or why there is none."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hgm.bench.clock import seconds_of, warm_up
from hgm.bench.flops import count_flops
from hgm.bench.memory import start_peak
from hgm.bench.rates import Rates


@dataclass(frozen=True)
class Work:
    """What is timed, with everything that it needs already there."""

    run: Callable[[], object]  # its result shows that the ways of a stage do the same
    bytes: float = 0.0  # that any way of doing it has to move, outside of matrix products
    samples: int = 0  # that one run takes, where samples a second mean something
    # the same work for the FLOP counter, where `run` hides some from it
    counted: Callable[[], object] | None = None
    compile: Callable[[], None] | None = None  # called after counting and before timing


@dataclass(frozen=True)
class Way:
    """A way of doing a stage's work. `make` loads models and inputs; it raises InputError to say
    why it cannot run."""

    name: str
    make: Callable[[], Work]


@dataclass(frozen=True)
class Row:
    """One line of the table. Without a time, `note` says why."""

    stage: str
    way: str
    note: str = ""
    seconds: float | None = None  # median
    runs: int = 0
    flops: int | None = None
    bytes: float | None = None
    floor: float | None = None  # seconds
    peak: int | None = None  # bytes
    over_first: float | None = None  # this time over that of the stage's first way

    @property
    def over_floor(self) -> float | None:
        return self.seconds / self.floor if self.seconds is not None and self.floor else None


def measure_stage(
    stage: str, ways: Sequence[Way], rates: Rates, device: str, repeats: int
) -> Iterator[Row]:
    """A row for every way, in turn. The first way that runs is counted, and its floor is the floor
    of all of them.

    The floor is FLOPs over the matmul rate plus bytes over the copy rate, since the two kinds of
    work follow each other. A way that fails gives a row with its reason; the others go on.
    """
    flops: int | None = None
    moved = 0.0
    first = 0.0
    work: Work | None = None
    for way in ways:
        try:
            work = way.make()
            if flops is None:
                flops = count_flops(work.counted or work.run)
                moved = work.bytes
            seconds, runs, peak = _timed(work, device, repeats)
            first = first or seconds
            note = f"{work.samples / seconds:.3g} samples/s" if work.samples else ""
            floor = flops / rates.matmul + moved / rates.copy
            row = Row(
                stage, way.name, note, seconds, runs, flops, moved, floor, peak, seconds / first
            )
        except Exception as error:  # whatever it is, the other rows are worth having
            row = Row(stage, way.name, reason(error))
        if work is not None and work.compile is not None:
            # else the recompilations of one model after another reach torch's limit
            torch.compiler.reset()
        work = None  # before the next way is made, so that only one is in memory
        gc.collect()
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()
        yield row


def _timed(work: Work, device: str, repeats: int) -> tuple[float, int, int | None]:
    """Median of the seconds, number of runs and peak memory."""
    if work.compile is not None:
        work.compile()
    warm_up(work.run, device)
    peak = start_peak(device)
    samples = seconds_of(work.run, device, repeats)
    return statistics.median(samples), len(samples), peak()


def reason(error: BaseException) -> str:
    """One line for the table."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return "out of memory"
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
