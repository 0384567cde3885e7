"""Render a chunk of scans with worker processes. Finished scans are not rendered again; a crash of
Blender costs one scan."""

from __future__ import annotations

import collections
import importlib.metadata
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hgm.core.isolation import isolated
from hgm.core.items import Outcome, finished
from hgm.core.keys import file_digest
from hgm.core.processes import stopped_by
from hgm.errors import InputError, Interrupted, MissingDependency, ScanError
from hgm.render.member import STAGE, MemberRendering, member_key
from hgm.render.paths import memory_folder
from hgm.scans.thuman import ScanFiles

CRASHES = 3  # so many before anything was rendered: not the scans' fault


def render_chunk(
    scans: Sequence[ScanFiles],
    out: Path,
    settings: MemberRendering,
    *,
    models: Path,
    workers: int = 1,
    code: str = "",
    progress: Callable[[int, str], None] | None = None,
) -> Outcome:
    """Render every scan to the view folder `out/<name>`; folders whose key is unchanged are left as
    they are.

    `models` holds smplx/SMPLX_<GENDER>.npz. Each of the `workers` processes uses one core; the
    pixels do not depend on their number. `code` is part of every key: another value renders
    everything again. `progress` is called with the number of scans done and a name. Raises
    InputError when nothing can be rendered: no body model, no bpy, no GPU where one is asked for,
    or the first scans all kill their workers; Interrupted, once the other scans are done, when a
    worker was killed from outside or had no memory left; OSError of a disk that takes nothing more.
    """
    if len({scan.name for scan in scans}) < len(scans):
        raise ValueError("two scans of one chunk have the same name")
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    keys, rejected = _keys(scans, settings, _common(Path(models), settings.gender, code))
    todo = []
    for scan in scans:
        _remove_leftovers(out, scan.name)
        if scan.name in keys and not finished(out / scan.name, STAGE, keys[scan.name]):
            todo.append(scan)
    if todo:
        pool = _Pool(
            todo, keys, settings, Path(models).resolve(), out, progress, len(scans) - len(todo)
        )
        rejected |= pool.run(workers)
    for name in rejected:
        shutil.rmtree(out / name, ignore_errors=True)
    rendered = {name: keys[name] for name in sorted(keys) if name not in rejected}
    return Outcome(rendered, dict(sorted(rejected.items())))


class _Pool:
    """Worker processes that each hold one scan at a time."""

    def __init__(
        self,
        todo: Sequence[ScanFiles],
        keys: dict[str, str],
        settings: MemberRendering,
        models: Path,
        out: Path,
        progress: Callable[[int, str], None] | None,
        through: int,
    ) -> None:
        self.queue = collections.deque(todo)
        self.keys = keys
        self.progress = progress
        self.through = through
        self.job = {
            "settings": settings.model_dump(),
            "models": str(models),
            "out": str(out),
        }
        self.rejected: dict[str, str] = {}
        self.killed: list[str] = []  # why scans are not rendered that have no fault
        self.rendered = self.crashes = 0
        self.selector = selectors.DefaultSelector()

    def run(self, workers: int) -> dict[str, str]:
        """Work through the queue; returns the rejected scans with their reasons."""
        with tempfile.TemporaryDirectory(prefix="hgm-render-", dir=memory_folder()) as folder:
            job = Path(folder) / "job.json"
            job.write_text(json.dumps(self.job))
            try:
                for _ in range(min(max(workers, 1), len(self.queue))):
                    self._start(job)
                while self.selector.get_map():
                    for entry, _ in self.selector.select():
                        self._listen(entry.data, job)
            finally:
                for entry in list(self.selector.get_map().values()):
                    entry.data.end(kill=True)
                self.selector.close()
        if self.killed:
            raise Interrupted(
                f"{self.killed[0]}"
                f"{f' and {len(self.killed) - 1} more' if self.killed[1:] else ''}; "
                "run again, with more memory if it happens again, or without the scan"
            )
        return self.rejected

    def _start(self, job: Path) -> None:
        worker = _Worker(job)
        self.selector.register(worker.output, selectors.EVENT_READ, worker)

    def _listen(self, worker: _Worker, job: Path) -> None:
        """Take one answer of a worker, or its end, and give it the next scan."""
        line = worker.output.readline()
        if not line:
            self._bury(worker, job)
            return
        answer = json.loads(line)
        if "failed" in answer:
            raise InputError(answer["failed"])
        if "storage" in answer:
            raise OSError(answer["storage"], os.strerror(answer["storage"]), answer["path"])
        finished = worker.scan
        worker.scan = None
        if "rejected" in answer:
            self.rejected[answer["rejected"]] = answer["reason"]
        elif "done" in answer:
            self.rendered += 1
        if self.queue:
            worker.scan = self.queue.popleft()
            worker.give(worker.scan, self.keys[worker.scan.name])
        else:
            worker.input.close()  # it ends, and its output with it
        if finished is not None:
            self._report(finished)

    def _bury(self, worker: _Worker, job: Path) -> None:
        self.selector.unregister(worker.output)
        reason = worker.end()
        if worker.scan is None:
            if worker.process.returncode and self.queue:
                raise InputError(f"the renderer does not start: {reason}")
            return
        scan = worker.scan
        if worker.stopped_from_outside():
            self.killed.append(f"{scan.obj}: the renderer was stopped at it ({reason})")
            if self.queue:
                self._start(job)
            return
        self.rejected[scan.name] = (
            f"{scan.obj}: the renderer died of it ({reason}); set it aside or run again"
        )
        self.crashes += 1
        if self.crashes >= CRASHES and not self.rendered:
            raise InputError(
                f"{scan.obj}: the renderer died of this scan and of {CRASHES - 1} before it "
                f"({reason}); try hgm doctor"
            )
        self._report(scan)
        if self.queue:
            self._start(job)

    def _report(self, scan: ScanFiles) -> None:
        self.through += 1
        if self.progress is not None:
            self.progress(self.through, scan.name)


class _Worker:
    """One process of hgm.render.worker and the scan it is at."""

    def __init__(self, job: Path) -> None:
        # Blender leaves a folder behind when it is killed
        folder = Path(tempfile.mkdtemp(dir=job.parent))
        own = {"TMPDIR": str(folder), "BLENDER_USER_RESOURCES": str(folder), "OMP_NUM_THREADS": "1"}
        self.scan: ScanFiles | None = None
        self.log = folder / "stderr"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hgm.render.worker", str(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**isolated(), **own},
                text=True,
            )
        self.input: Any = self.process.stdin
        self.output: Any = self.process.stdout

    def give(self, scan: ScanFiles, key: str) -> None:
        try:
            item = {
                "name": scan.name,
                "obj": str(scan.obj.resolve()),
                "fit": str(scan.fit.resolve()),
                "key": key,
            }
            self.input.write(json.dumps(item) + "\n")
            self.input.flush()
        except BrokenPipeError:
            return  # it died in between; the end of its output says so next

    def end(self, *, kill: bool = False) -> str:
        """Wait for the end of the process; returns how it ended."""
        if kill:
            self.process.kill()
        code = self.process.wait()
        for stream in (self.input, self.output):
            try:
                stream.close()
            except BrokenPipeError:
                continue
        if code < 0:
            return signal.Signals(-code).name
        return f"exit code {code}: {self._last_word()}"

    def stopped_from_outside(self) -> bool:
        """Of a process that has ended: killed, or without memory."""
        code = self.process.returncode
        return stopped_by(code) is not None or (code > 0 and "MemoryError" in self._last_word())

    def _last_word(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def _keys(
    scans: Sequence[ScanFiles], settings: MemberRendering, common: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Keys of the scans whose files can be read, reasons for the others, both by name."""
    keys: dict[str, str] = {}
    rejected: dict[str, str] = {}
    for scan in scans:
        try:
            keys[scan.name] = member_key(scan, settings, common)
        except ScanError as error:
            rejected[scan.name] = str(error)
    return keys, rejected


def _common(models: Path, gender: str, code: str) -> str:
    """What all keys of a chunk share: the body model's contents, Blender's version and the caller's
    code key."""
    path = models / "smplx" / f"SMPLX_{gender.upper()}.npz"
    try:
        return " ".join([file_digest(path), importlib.metadata.version("bpy"), code])
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected the SMPL-X model of the fits"
        ) from None
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependency(
            "bpy is not installed; install it with: pip install 'bpy>=4.5,<5.1'"
        ) from None


def _remove_leftovers(out: Path, name: str) -> None:
    """Unfinished folders of a run that was killed."""
    for path in out.glob(f".{name}.*.part"):
        shutil.rmtree(path, ignore_errors=True)
