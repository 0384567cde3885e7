"""A terminal with lines at the bottom that are redrawn, and everything else above them."""

from __future__ import annotations

import os
import shutil
from typing import IO


class Screen:
    """Permanent text, and below it a few lines that are redrawn. Where the stream is no terminal,
    only the permanent text is written.

    No mode of the terminal is changed, so that a kill leaves the terminal usable.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.below: list[str] = []

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            size = os.get_terminal_size(self.stream.fileno())
        except OSError:
            size = shutil.get_terminal_size()
        return size.columns or 80, size.lines or 24  # a new pseudo-terminal has 0 of both

    def tell(self, text: str) -> None:
        """Write permanent text."""
        self.stream.write(f"{self._up()}{text}\n{self._drawn()}")
        self.stream.flush()

    def show(self, lines: list[str]) -> None:
        """Replace the lines at the bottom; does nothing where there is no terminal."""
        columns, rows = self.size()
        new = [_cut(line, columns - 1) for line in lines][: rows - 1]
        if self.live and new != self.below:
            up = self._up()
            self.below = new
            self.stream.write(up + self._drawn())
            self.stream.flush()

    def _up(self) -> str:
        return f"\x1b[{len(self.below)}A\r\x1b[J" if self.below else ""

    def _drawn(self) -> str:
        return "".join(f"{line}\n" for line in self.below)


def _cut(line: str, width: int) -> str:
    """The line, shortened to `width` characters."""
    return line if len(line) <= width else line[: width - 1] + "…"
