"""Run a program of others: in its own folder and environment, its output in our log, ended when the
job ends or its time is up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hgm.core.processes import stopped_by

LAST = 4096  # bytes of a log in which the last line is looked for


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int | None  # None: its time was up
    last: str  # the last line that it wrote

    @property
    def stopped(self) -> bool:
        """Whether something outside ended it, with nothing wrong in what it worked on: killed, or
        without memory."""
        return self.code is not None and (
            stopped_by(self.code) is not None or (self.code > 0 and "MemoryError" in self.last)
        )

    @property
    def how(self) -> str:
        """`ended with status 1 (its last line)`."""
        if self.code is None:
            return "was still not done when its time was up (estimate.minutes)"
        ending = (
            f"was ended by {signal.Signals(-self.code).name}"
            if self.code < 0
            else f"ended with status {self.code}"
        )
        return f"{ending} ({self.last})" if self.last else ending


def run_program(command: Sequence[str], *, cwd: Path, log: Path, seconds: float) -> Ended:
    """Run a program in the folder `cwd` to its end; what it says is added to `log`. `command`
    begins with the path of an interpreter, which does not see our packages. It and all that it
    starts end after `seconds`, and with this process."""
    # -P: what lies in `cwd` is not ours
    child = [sys.executable, "-P", "-m", "hgm.body.estimators.child", *command]
    with open(log, "ab") as out:
        begin = out.tell()
        process = subprocess.Popen(
            child,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):  # all that it started, too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(code, _last_line(log, begin))


def _last_line(log: Path, begin: int) -> str:
    with open(log, "rb") as file:
        file.seek(max(begin, log.stat().st_size - LAST))
        lines = file.read().decode(errors="replace").replace("\r", "\n").strip().splitlines()
    return lines[-1].strip() if lines else ""
