"""What each rule cost, from Snakemake's benchmark files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cost:
    """All jobs of one rule. Memory is the largest of its jobs; None where nothing was measured."""

    rule: str
    jobs: int
    seconds: float
    longest: float
    memory_mb: float | None
    cpu_seconds: float | None


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def number(value: Any) -> float | None:
    """A finite number from 0 on, else None."""
    return (
        float(value)
        if isinstance(value, int | float) and math.isfinite(value) and value >= 0
        else None
    )


def benchmark(path: Path) -> tuple[float, float | None] | None:
    """Seconds and largest memory in MB of the last measurement in a job's benchmark file; None
    where there is none."""
    found = [
        (s, number(row.get("max_rss")))
        for row in _rows(path)
        if (s := number(row.get("s"))) is not None
    ]
    return found[-1] if found else None


def costs(folder: Path, order: Sequence[str] = ()) -> list[Cost]:
    """One row for each rule with a benchmark below `folder` (`<rule>.jsonl` or `<rule>/…/*.jsonl`),
    in the order given (`hgm.report.rule_graph.stages`), others behind by their names."""
    ranks = {rule: i for i, rule in enumerate(order)}
    rules: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        rules.setdefault(path.relative_to(folder).parts[0].removesuffix(".jsonl"), []).extend(
            _rows(path)
        )
    found = []
    for rule, rows in rules.items():
        seconds = [s for row in rows if (s := number(row.get("s"))) is not None]
        memory = [m for row in rows if (m := number(row.get("max_rss"))) is not None]
        busy = [c for row in rows if (c := number(row.get("cpu_time"))) is not None]
        if seconds:
            found.append(
                Cost(
                    rule,
                    len(seconds),
                    sum(seconds),
                    max(seconds),
                    max(memory, default=None),
                    sum(busy) if busy else None,
                )
            )
    return sorted(found, key=lambda c: (ranks.get(c.rule, len(ranks)), c.rule))


def duration(seconds: float | None) -> str:
    """`8.2 s`, `3 min 05 s`, `2 h 14 min`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} min"
