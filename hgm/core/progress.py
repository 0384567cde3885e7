"""How far a piece of work is, on a terminal or in the log of a job."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Self, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


def clock(seconds: float | None) -> str:
    """Hours, minutes and seconds as `1:02:03`, or a dash."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class Progress:
    """How far a piece of work is: stage, step, rate, time left, a note.

    On a terminal one line that changes; in a job a line in its log every `every` seconds (the first
    after FIRST); else nothing. As a context manager it takes the terminal's line away where the
    work ends early, so that a message finds an empty one. total: 0 for work whose steps nobody
    counts. stream: for standard error.
    """

    PAUSE = 0.2  # seconds between two drawings on a terminal
    FIRST = 5.0

    def __init__(
        self, stage: str, total: int = 0, *, every: float = 15.0, stream: IO[str] | None = None
    ) -> None:
        self.stage = stage
        self.total = total
        self.every = every
        self.stream = sys.stderr if stream is None else stream
        # hgm.core.job lets INFO through, the command does not
        self.in_job = stream is None and log.isEnabledFor(logging.INFO)
        self.terminal = not self.in_job and self.stream.isatty()
        self.start = time.monotonic()
        self.first, self.next, self.drawn = (
            0,
            self.start + (self.FIRST if self.in_job else 0.0),
            False,
        )
        self._draw(f"{stage} 0/{total}" if total else stage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.clear()

    def resume(self, step: int) -> None:
        """Count the rate from this step on."""
        self.first = step

    def rate(self, step: int) -> float:
        """Steps a second up to `step`."""
        return (step - self.first) / max(time.monotonic() - self.start, 1e-9)

    def each(self, items: Iterable[T], note: Callable[[T], str] = lambda item: "") -> Iterator[T]:
        """The items as they are worked on, one step each, with what is said of the one at hand."""
        done = 0
        for done, item in enumerate(items, 1):
            self.update(done - 1, note(item))
            yield item
        self.update(done)

    def update(self, step: int, note: str = "", left: float | None = None) -> None:
        """`step` steps are done. left: seconds, where more is known of them than the rate."""
        now = time.monotonic()
        if (
            not self.total
            or not (self.terminal or self.in_job)
            or (now < self.next and step < self.total)
        ):
            return
        self.next = now + (self.PAUSE if self.terminal else self.every)
        text = self.text(step, note, left)
        if self.in_job:
            log.info("%s", text)
        elif step < self.total:
            self._draw(text)
        else:
            self.clear()
            self.stream.write(f"{text}\n")
            self.stream.flush()

    def text(self, step: int, note: str = "", left: float | None = None) -> str:
        """One line."""
        rate = self.rate(step)
        if left is None and rate > 0:
            left = (self.total - step) / rate
        parts = [f"{self.stage} {step}/{self.total}"]
        if rate > 0:
            parts.append(f"{rate:.2f}/s" if rate >= 0.1 else f"{60 * rate:.1f}/min")
        if step >= self.total:
            parts.append(f"in {clock(time.monotonic() - self.start)}")
        elif left is not None:
            parts.append(f"{clock(left)} left")
        return "  ".join([*parts, *([note] if note else [])])

    def clear(self) -> None:
        """Take the line away."""
        if self.drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.drawn = False

    def _draw(self, text: str) -> None:
        if self.terminal:
            with contextlib.suppress(OSError):  # a stream without a size
                width = os.get_terminal_size(self.stream.fileno()).columns or 80
                text = text if len(text) < width else text[: width - 2] + "…"
            self.stream.write(f"\r\x1b[K{text}")
            self.stream.flush()
            self.drawn = True
