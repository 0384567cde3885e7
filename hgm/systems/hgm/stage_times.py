"""How long the stages of a command took, as a table for its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class StageTimes:
    """Seconds by stage, in the order in which the stages began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Count the seconds of the block."""
        begun = time.perf_counter()
        yield
        self.add({stage: time.perf_counter() - begun})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count seconds that were measured elsewhere."""
        for stage, value in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + value

    def table(self) -> str:
        """Lines of stage, seconds and share of all of them, and their sum."""
        total = sum(self.seconds.values())
        width = max(map(len, (*self.seconds, "total")))
        lines = [
            f"{stage:{width}}  {value:7.1f} s  {100 * value / max(total, 1e-9):3.0f} %\n"
            for stage, value in self.seconds.items()
        ]
        return "".join([*lines, f"{'total':{width}}  {total:7.1f} s\n"])
