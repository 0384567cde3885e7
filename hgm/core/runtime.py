"""What every job needs from the machine: atomic files, seeds, a device, a deadline, progress and
one-line failures."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
SET_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl
# signals that a program brings on itself
FAULTS = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
UMASK = os.umask(0o077)  # it can only be asked for by setting another
os.umask(UMASK)


def open_to_others(path: str | Path) -> None:
    """Give what was made as a temporary file or folder the permissions of any other: all that the
    umask leaves."""
    os.chmod(path, (0o777 if os.path.isdir(path) else 0o666) & ~UMASK)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary neighbor of `path`; it takes the place of `path` only when the block ends
    well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(fd, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        open_to_others(name)
        os.replace(name, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say what it could not take
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary neighbor folder that becomes `path` when the block ends well; an older
    `path` is replaced."""
    import shutil

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield work
        open_to_others(work)
        if path.exists():
            shutil.rmtree(path)
        os.replace(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from any printable parts; equal parts give equal seeds on every machine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def select_device(name: str = "auto", gpus: int = 1) -> str:
    """The device a job works on: `cpu`, or `cuda` with `gpus` free GPUs of the machine claimed, of
    which it sees no other.

    `auto` is `cuda` where torch can use one, else `cpu`, and says which. `cuda:1` is the second
    visible GPU: claimed, it is the only one seen, hence `cuda`, so that libraries that work on the
    current device find it; where nvidia-smi cannot say which that is, it is made the current one.
    Raises InputError where a named device is lacking or torch cannot use it.
    """
    import torch

    from hgm.core.devices import check_named, claim, index_of, installed
    from hgm.errors import InputError

    check_named(name, gpus)
    if name == "cpu":
        return name
    named = ":" in name
    claimed = (
        claim(gpus, index_of(name) if named else None) if torch.version.cuda is not None else []
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")  # torch tells of an old driver by a warning
        usable = torch.cuda.is_available()
    reason = ""
    if not usable and installed():
        told = str(said[-1].message).split("(Triggered")[0] if said else ""
        reason = (
            "torch is built for CPUs (docs/environments.md)"
            if torch.version.cuda is None and torch.version.hip is None
            else f"torch for CUDA {torch.version.cuda} cannot use it: "
            f"{' '.join(told.split()) or 'it sees none'}"
        )
    if name == "auto":
        if reason:
            log.warning("device: auto takes the CPU although an NVIDIA driver is there: %s", reason)
        else:
            log.info("device: auto takes %s", "the GPU" if usable else "the CPU")
        return "cuda" if usable else "cpu"
    if not usable:
        raise InputError(
            f"device: {name} was asked for, but {reason or 'torch sees no CUDA device'}; use "
            "device: auto or cpu"
        )
    if not named or len(claimed) == 1:
        return "cuda"
    if index_of(name) >= torch.cuda.device_count():
        raise InputError(
            f"device: {name} was asked for, but {torch.cuda.device_count()} can be seen; the "
            "first is cuda:0"
        )
    torch.cuda.set_device(name)
    return name


def use_threads(count: int) -> None:
    """Let torch and our own pools use `count` threads; one thread is exact and the fastest on
    shared cores."""
    import torch

    os.environ["HGM_THREADS"] = str(count)
    torch.set_num_threads(count)


def stopped_by(code: int) -> str | None:
    """The signal by which a process of exit status `code` was stopped from outside (kill, the
    kernel when memory ran out); None where it ended by itself or by a fault of its own."""
    name = signal.Signals(-code).name if code < 0 else None
    return None if name in FAULTS else name


def die_with_parent() -> None:
    """Let this process be killed when its parent dies; else it would go on writing while a rerun
    writes the same files."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


class Deadline:
    """The moment before which a job has to have stopped, with time to save; never reached when no
    limit is given."""

    def __init__(self, seconds: float | None = None, margin: float = 60.0) -> None:
        self.at = (
            None
            if seconds is None
            else time.monotonic() + max(seconds - min(margin, 0.1 * seconds), 0.0)
        )

    def passed(self, reserve: float = 0.0) -> bool:
        """Whether it has come, or comes within the next `reserve` seconds, which saving is known to
        take."""
        return self.at is not None and time.monotonic() + reserve >= self.at


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

    def __enter__(self) -> Progress:
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
