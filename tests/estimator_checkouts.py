"""Checkouts of PIXIE and PyMAF-X, each with an interpreter, in which tests/estimator_program.py
takes the place of the programs."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from hgm.body.estimators.programs import PROGRAMS

PROGRAM = Path(__file__).with_name("estimator_program.py")
NOTHING_WRONG: dict[str, Any] = {
    "noise": 0.0,
    "nobody": [],
    "crash": [],
    "hang": [],
    "kill": [],
    "broken": False,
    "ready": "",
}


def write_checkout(folder: Path, name: str, views: Path, **changes: Any) -> Path:
    """A checkout of the program `name` that knows the true fits below `views`, of all chunks;
    `changes` replace entries of NOTHING_WRONG."""
    for file in PROGRAMS[name].needs:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".py"):
            shutil.copyfile(PROGRAM, folder / file)
        else:
            (folder / file).write_bytes(b"PK weights")
    (folder / "data/standin.json").write_text(
        json.dumps({**NOTHING_WRONG, "views": str(views), **changes})
    )
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    return folder


def change(checkout: Path, **changes: Any) -> None:
    """Set what goes wrong from now on."""
    path = checkout / "data/standin.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def calls(checkout: Path) -> list[str]:
    """The pictures that the program has opened since the last call, in order."""
    path = checkout / "data/calls.txt"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found
