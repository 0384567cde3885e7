"""Work on items (scans, stereo pairs, frames) in worker processes: each item is done once, and one
that takes its process down, as a broken scan can do with Blender, costs itself only."""

from __future__ import annotations

import collections
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hgm.core.isolation import isolated
from hgm.core.items import Outcome, finished
from hgm.core.processes import stopped_by
from hgm.errors import InputError, Interrupted
from hgm.render.paths import memory_folder

CRASHES = 3  # so many before anything was done: not the items' fault


@dataclass(frozen=True)
class Item:
    """One piece of work."""

    name: str  # and that of its folder
    key: str  # of all that decides its result
    data: Mapping[str, Any]  # what the task is told of it beside the name; goes through JSON
    file: str = ""  # what a message about it begins with; by default its name

    @property
    def label(self) -> str:
        return self.file or self.name


def do_in_workers(
    task: str,
    items: Sequence[Item],
    out: Path,
    settings: BaseModel,
    *,
    stage: str,
    noun: str,
    rejected: Mapping[str, str] | None = None,
    workers: int = 1,
    progress: Callable[[int, str], None] | None = None,
) -> Outcome:
    """Do the named task for every item in its folder `out/<name>`; folders that hold the stage's
    whole result for an item's key are left as they are.

    task: `module:Class` of a `hgm.render.worker.Task`, which is imported in the workers only; a
    caller imports the module as well where code keys have to see it. settings: what the task is
    made with. noun: what an item is called in messages. rejected: reasons by name of what was found
    unusable before; like items whose work raises InputError or that take their process down they
    lose their folders, so that an older result is not taken for theirs. Each of the `workers` uses
    one core. `progress` is called with the number of items done, the rejected ones included, and a
    name.

    Raises ValueError for two items of one name; InputError when nothing can be done: the task
    cannot be made, or the first items all take their workers down; Interrupted, once the other
    items are done, when a worker was killed from outside or had no memory left; OSError of a disk
    that takes nothing more.
    """
    failed = dict(rejected or {})
    names = [*(item.name for item in items), *failed]
    if len(set(names)) < len(names):
        raise ValueError(f"two {noun}s of one chunk have the same name")
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        _remove_leftovers(out, name)
    todo = [item for item in items if not finished(out / item.name, stage, item.key)]
    if todo:
        job = {
            "task": task,
            "stage": stage,
            "settings": settings.model_dump(mode="json"),
            "out": str(out),
        }
        failed |= _Pool(todo, job, noun, progress, len(names) - len(todo)).run(workers)
    for name in failed:
        shutil.rmtree(out / name, ignore_errors=True)
    members = {item.name: item.key for item in items if item.name not in failed}
    return Outcome(dict(sorted(members.items())), dict(sorted(failed.items())))


class _Pool:
    """Worker processes that each hold one item at a time."""

    def __init__(
        self,
        todo: Sequence[Item],
        job: Mapping[str, Any],
        noun: str,
        progress: Callable[[int, str], None] | None,
        through: int,
    ) -> None:
        self.queue = collections.deque(todo)
        self.job = job
        self.noun = noun
        self.progress = progress
        self.through = through
        self.rejected: dict[str, str] = {}
        self.killed: list[str] = []  # why items are not done that have no fault
        self.done = self.crashes = 0
        self.selector = selectors.DefaultSelector()

    def run(self, workers: int) -> dict[str, str]:
        """Work through the queue; returns the rejected items with their reasons."""
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
                f"run again, with more memory if it happens again, or without the {self.noun}"
            )
        return self.rejected

    def _start(self, job: Path) -> None:
        worker = _Worker(job)
        self.selector.register(worker.output, selectors.EVENT_READ, worker)

    def _listen(self, worker: _Worker, job: Path) -> None:
        """Take one answer of a worker, or its end, and give it the next item."""
        line = worker.output.readline()
        if not line:
            self._bury(worker, job)
            return
        answer = json.loads(line)
        if "failed" in answer:
            raise InputError(answer["failed"])
        if "storage" in answer:
            raise OSError(answer["storage"], os.strerror(answer["storage"]), answer["path"])
        past = worker.item
        worker.item = None
        if "rejected" in answer:
            self.rejected[answer["rejected"]] = answer["reason"]
        elif "done" in answer:
            self.done += 1
        if self.queue:
            worker.give(self.queue.popleft())
        else:
            worker.input.close()  # it ends, and its output with it
        if past is not None:
            self._report(past)

    def _bury(self, worker: _Worker, job: Path) -> None:
        self.selector.unregister(worker.output)
        reason = worker.end()
        if worker.item is None:
            if worker.process.returncode and self.queue:
                raise InputError(f"the process that works on {self.noun}s does not start: {reason}")
            return
        item = worker.item
        if worker.stopped_from_outside():
            self.killed.append(
                f"{item.label}: the process that worked on it was stopped ({reason})"
            )
            if self.queue:
                self._start(job)
            return
        self.rejected[item.name] = (
            f"{item.label}: the process that worked on it died ({reason}); set it aside or run "
            "again"
        )
        self.crashes += 1
        if self.crashes >= CRASHES and not self.done:
            raise InputError(
                f"{item.label}: the process that worked on this {self.noun} died, as did those of "
                f"{CRASHES - 1} before it ({reason}); the installation is the likely cause, which "
                "hgm doctor checks"
            )
        self._report(item)
        if self.queue:
            self._start(job)

    def _report(self, item: Item) -> None:
        self.through += 1
        if self.progress is not None:
            self.progress(self.through, item.name)


class _Worker:
    """One process of hgm.render.worker and the item it is at."""

    def __init__(self, job: Path) -> None:
        # Blender leaves a folder behind when it is killed
        folder = Path(tempfile.mkdtemp(dir=job.parent))
        own = {
            "TMPDIR": str(folder),
            "BLENDER_USER_RESOURCES": str(folder),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",  # or what was printed would come after its last word
        }
        self.item: Item | None = None
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

    def give(self, item: Item) -> None:
        self.item = item
        line = json.dumps({"key": item.key, "item": {"name": item.name, **item.data}})
        try:
            self.input.write(line + "\n")
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


def _remove_leftovers(out: Path, name: str) -> None:
    """Unfinished folders of a run that was killed."""
    for path in out.glob(f".{name}.*.part"):
        shutil.rmtree(path, ignore_errors=True)
