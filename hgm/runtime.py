"""What every job needs from the machine: atomic files, seeds, a device, a deadline, progress and one-line failures."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of `path`; it takes the place of `path` only when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(fd, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say what it could not take
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary neighbour folder that becomes `path` when the block ends well; an older `path` is replaced."""
    import shutil

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield work
        os.chmod(work, 0o755)
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
    """`auto` -> `cuda` where torch sees a device, else `cpu`; for both, `gpus` free GPUs of the machine are claimed first.

    Raises InputError if a named device is absent. `cuda:1` is taken as it is, without a claim.
    """
    import torch

    from hgm.devices import claim
    from hgm.errors import InputError

    if name in ("auto", "cuda") and torch.version.cuda is not None:
        claim(gpus)

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device: {name} was asked for, but torch sees no CUDA device; use device: auto or cpu")
    return name


def use_threads(count: int) -> None:
    """Let torch and our own pools use `count` threads; one thread is exact and the fastest on shared cores."""
    import torch

    os.environ["HGM_THREADS"] = str(count)
    torch.set_num_threads(count)


def keep_compiled() -> None:
    """Let torch.compile keep its work in the user's cache, so that every later process finds it."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path.home() / ".cache" / "hgm" / "inductor"))


class Deadline:
    """The moment before which a job has to have stopped, with time to save; never reached when no limit is given."""

    def __init__(self, seconds: float | None = None, margin: float = 60.0) -> None:
        self.at = None if seconds is None else time.monotonic() + max(seconds - min(margin, 0.1 * seconds), 0.0)

    def passed(self) -> bool:
        return self.at is not None and time.monotonic() >= self.at


class Progress:
    """A line on the terminal with stage, step, rate and time left; a line every `every` seconds elsewhere."""

    def __init__(self, stage: str, total: int, *, every: float = 15.0, stream: IO[str] | None = None) -> None:
        self.stage, self.total, self.every = stage, total, every
        self.stream = sys.stderr if stream is None else stream
        self.start, self.first, self.shown = time.monotonic(), 0, -1e9

    def resume(self, step: int) -> None:
        """Count the rate from this step on."""
        self.first = step

    def rate(self, step: int) -> float:
        """Steps a second up to `step`."""
        return (step - self.first) / max(time.monotonic() - self.start, 1e-9)

    def update(self, step: int, note: str = "") -> None:
        now = time.monotonic()
        terminal = self.stream.isatty()
        if now - self.shown < (0.2 if terminal else self.every) and step < self.total:
            return
        self.shown = now
        rate = self.rate(step)
        left = (self.total - step) / rate if rate > 0 else float("nan")
        text = f"{self.stage} {step}/{self.total}  {rate:.2f}/s  {left:.0f} s left  {note}".rstrip()
        self.stream.write(f"\r\x1b[K{text}" if terminal and step < self.total else f"{chr(13) if terminal else ''}{text}\n")
        self.stream.flush()
