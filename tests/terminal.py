"""A program on a pseudo-terminal, and the text on the terminal when the program has ended."""

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PART = re.compile(r"\x1b\[(\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


def screen(text: str) -> list[str]:
    """The lines that a terminal shows. Of its control sequences, cursor up, erasing and colors are
    supported."""
    lines = [""]
    row = 0
    column = 0
    for count, command, back, down, letters in PART.findall(text):
        if letters:
            lines[row] = (
                lines[row][:column].ljust(column) + letters + lines[row][column + len(letters) :]
            )
            column += len(letters)
        elif back:
            column = 0
        elif down:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row = max(row - int(count or 1), 0)
        elif command == "J":
            lines[row:] = [lines[row][:column]]
        elif command == "K":
            lines[row] = lines[row][:column]
        else:
            assert command == "m", f"a terminal is told {command}, which this one does not know"
    return [line.rstrip() for line in lines]


def _read(to: "OnTerminal | ErrorsOnTerminal", descriptor: int) -> None:
    """Append output to `text` until the other end is closed."""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:
            piece = b""
        if not piece:
            break
        to.text += piece.decode(errors="replace")
    os.close(descriptor)


class OnTerminal:
    """A program whose standard output and error are a terminal; `text` is what it wrote so far."""

    def __init__(self, command: list[str], folder: Path, **environment: str) -> None:
        ours, theirs = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(theirs)
        self._reader = threading.Thread(target=_read, args=(self, ours), daemon=True)
        self._reader.start()

    def end(self, seconds: float = 300) -> int:
        """Wait for the end of the program; returns its exit status."""
        status = self.process.wait(seconds)
        self._reader.join(10)
        return status


class ErrorsOnTerminal:
    """Standard error of this process is a pseudo-terminal; `text` is what was written until
    `end`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, theirs = pty.openpty()
        self.text = ""
        self.stream = os.fdopen(theirs, "w")
        monkeypatch.setattr(sys, "stderr", self.stream)
        self._reader = threading.Thread(target=_read, args=(self, ours), daemon=True)
        self._reader.start()

    def end(self) -> str:
        self.stream.close()
        self._reader.join(10)
        return self.text
