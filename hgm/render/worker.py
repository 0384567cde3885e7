"""A process that does a named task for one item after the other: `python -m hgm.render.worker
JOB.json`, started by `hgm.render.pool`.

JOB.json: {"task": "module:Class", "stage", "settings", "out"}. The process reads one item a line
from standard input, {"key", "item": {"name", ...}}, and answers each with one line: {"done": name},
{"rejected": name, "reason"} or, of a disk that takes nothing more, {"storage": number, "path"}.
Before the first it says {"ready": task} or {"failed": reason}. It ends with its input. A process of
its own, because a broken scan can take Blender down with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from hgm.core.items import do_once
from hgm.core.processes import die_with_parent
from hgm.errors import STORAGE, InputError


class Task(Protocol):
    """Work on items in a process of its own."""

    def __init__(self, settings: Mapping[str, Any], scratch: Path) -> None:
        """Get ready, with settings as a model dumped them; `scratch` takes short-lived files and is
        cleared up even after a crash. Raises InputError where no item can be done."""

    def do(self, item: Mapping[str, Any], folder: Path) -> Mapping[str, Any] | None:
        """Do an item, {"name", ...}, in its folder, which may not exist yet, or hold files of an
        earlier result; what is returned, plain data, is kept in its mark. Raises InputError for an
        item that is unusable."""

    def close(self) -> None:
        """Let go of what is held."""


def main(job_path: str) -> int:
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints must not get between the answers
    job = json.loads(Path(job_path).read_text())
    out = Path(job["out"])
    try:
        task = _named(job["task"])(job["settings"], Path(job_path).parent)
    except InputError as error:
        _say(answers, failed=str(error))
        return 1
    with contextlib.closing(task):
        _say(answers, ready=job["task"])
        for line in sys.stdin:
            given = json.loads(line)
            item = given["item"]
            name = item["name"]
            try:
                do_once(out / name, job["stage"], given["key"], partial(task.do, item))
            except InputError as error:
                _say(answers, rejected=name, reason=str(error))
            except OSError as error:
                if error.errno is None or error.errno not in STORAGE:
                    raise
                _say(answers, storage=error.errno, path=str(error.filename))
                return 1
            else:
                _say(answers, done=name)
    return 0


def _named(task: str) -> type[Task]:
    module, _, name = task.partition(":")
    found: type[Task] = getattr(import_module(module), name)
    return found


def _say(answers: IO[str], **message: str | int) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
