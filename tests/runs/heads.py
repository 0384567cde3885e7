"""Heads of Snakemake and commands of `hgm` with one start of Python: each is a fork of one process
(head_server.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SERVER = Path(__file__).with_name("head_server.py")


class Heads:
    """A process that has imported Snakemake, in a checkout; it ends with the process of the
    tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = tempfile.TemporaryDirectory()  # of what forks write
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(SERVER)],
            cwd=root,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        )

    def start(
        self,
        program: str,
        words: Sequence[str],
        folder: Path | None = None,
        imports: Sequence[str] = (),
        *,
        environment: Mapping[str, str] = os.environ,
        out: Path | None = None,
    ) -> Fork:
        """Start `snakemake` or `hgm` in a folder. imports: modules that it or its jobs need, if no
        test changes them, or what imports some, `module:function`. out: where it appends what it
        writes."""
        self.count += 1
        out = out or Path(self.folder.name) / f"{self.count}.out"
        files = (out, out if program == "snakemake" else out.with_suffix(".err"))
        order = {
            "program": program,
            "words": [*words],
            "environment": {**environment, "PYTHONPATH": str(self.root)},
            "folder": str(folder or self.root),
            "files": [*map(str, files)],
            "imports": [*imports],
        }
        return Fork(self, self.answer(order), *files)

    def output(self, *arguments: str) -> str:
        """What a head says that succeeds."""
        head = self.start("snakemake", arguments)
        text, _ = head.communicate()
        assert head.returncode == 0, text[-4000:]
        return text

    def answer(self, order: dict[str, object]) -> int | None:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Fork:
    """A process of Heads, with those of Popen's ways that tests use. What a head of Snakemake
    writes is in one file."""

    def __init__(self, heads: Heads, pid: int, out: Path, err: Path) -> None:
        self.heads = heads
        self.pid = pid
        self.out = out
        self.err = err
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.heads.answer({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.02)
        return self.returncode

    def communicate(self, timeout: float = float("inf")) -> tuple[str, str]:
        self.wait(timeout)
        return self.out.read_text(), self.err.read_text()


@cache
def heads_in(root: Path) -> Heads:
    """Those of a checkout, for all tests of this process."""
    return Heads(root)
