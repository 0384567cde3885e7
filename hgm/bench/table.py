"""The printed table: aligned, at most 120 columns, a line as soon as it is measured."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from hgm.bench.measure import Row

WIDTH = 120
COLUMNS = {
    "stage": 19,
    "way": 30,
    "time": 9,
    "floor": 9,
    "time/floor": 10,
    "memory": 9,
    "over ours": 9,
}
TEXT = COLUMNS["stage"] + COLUMNS["way"] + 2  # columns of the names


def heading() -> str:
    """Two lines."""
    names = [
        f"{name:<{width}}" if name in ("stage", "way") else f"{name:>{width}}"
        for name, width in COLUMNS.items()
    ]
    return " ".join(names) + "\n" + "-" * WIDTH


def line(row: Row, *, first: bool) -> str:
    """One row; the stage's name stands in its first row only. A row without a time has its reason
    in place of numbers."""
    names = f"{row.stage if first else '':<{COLUMNS['stage']}} {row.way:<{COLUMNS['way']}} "
    if row.seconds is None:
        reason = textwrap.wrap(row.note, WIDTH - TEXT - 2) or [""]
        return f"\n{'':<{TEXT + 2}}".join([f"{names}- {reason[0]}", *reason[1:]])
    values = (
        duration(row.seconds),
        duration(row.floor),
        number(row.over_floor),
        size(row.peak),
        number(row.over_first),
    )
    cells = [
        f"{value:>{width}}" for value, width in zip(values, list(COLUMNS.values())[2:], strict=True)
    ]
    return (names + " ".join(cells) + (f"  {row.note}" if row.note else "")).rstrip()


def preamble(about: Mapping[str, Any]) -> str:
    """What machine and what settings the table is of; how to read it."""
    rates = about["rates"]
    memory = (
        "peak of torch's allocator"
        if about["device_type"] == "cuda"
        else "growth above weights and inputs"
    )
    return (
        f"{about['device']}; torch {about['torch']}; threads: {about['threads']} torch, "
        f"{about['kernel_threads']} kernels\n"
        f"{about['summary']}; {about['clock']}, median of up to {about['repeats']} runs\n"
        f"floor: FLOPs / {rates['matmul'] / 1e9:.4g} GFLOP/s + bytes / {rates['copy'] / 1e9:.4g} "
        "GB/s, both rates measured here\n"
        f"memory: {memory}; over ours: over the stage's first row\n"
    )


def duration(seconds: float | None) -> str:
    """Three digits with the unit that fits."""
    if seconds is None:
        return "-"
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 0.9995 or unit == "us":
            return f"{number(seconds * factor)} {unit}"
    raise AssertionError


def size(count: int | None) -> str:
    """Megabytes or gigabytes."""
    if count is None:
        return "-"
    return f"{number(count / 1e9)} GB" if count >= 1e9 else f"{number(count / 1e6)} MB"


def number(value: float | None) -> str:
    """Three digits without an exponent."""
    if value is None:
        return "-"
    return (
        f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
    )
