"""Python processes of a run see this checkout and the packages of their own environment, and
nothing else that variables of the user's shell name.

`python -m hgm.core.isolation` fails with one line where the checkout lies in a folder in which it
cannot work; it runs with any Python, before there is an environment.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from hgm.core.checkout import PLUGINS, ROOT
from hgm.errors import InputError

# in the path of the checkout; the last: bytes that are no UTF-8
UNUSABLE = re.compile(rf"[{os.pathsep}{{}}\ud800-\udfff]")
# in the path of bpy: to OpenColorIO the name of a variable; it misses its files there
VARIABLE = re.compile(r"\$|%.*%", re.DOTALL)


class Interpreter(str):
    """Path of a Python that is quoted for a shell wherever it is formatted into a text, and is the
    plain path everywhere else.

    For a `script:`, Snakemake formats `sys.executable` into a shell command as it is, where a blank
    would end the program's name.
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return shlex.quote(format(str(self), spec))


def check_place() -> None:
    """Raises InputError where the path of the checkout holds what Python's search path or
    Snakemake's patterns take for something else."""
    if bad := UNUSABLE.search(str(ROOT)):
        what = repr(bad[0]) if bad[0].isprintable() else "bytes that are no UTF-8"
        raise InputError(
            f"{os.fsencode(ROOT).decode(errors='replace')}: the path of the checkout holds "
            f"{what}, which Python environments or Snakemake cannot live with; move the checkout"
        )


def check_blender_place(path: Path) -> None:
    """Raises InputError where the path of an environment keeps Blender from its tables of colors:
    it would only say so and go on."""
    if bad := VARIABLE.search(str(path)):
        raise InputError(
            f"{path}: the path holds {bad[0]!r}, which Blender's color management takes for a "
            "variable; move the environment (make: the checkout)"
        )


def isolated() -> dict[str, str]:
    """The environment variables of this process, changed so that a Python started with them behaves
    as `python -I` in UTF-8 mode and finds this checkout: conda environments do not have it
    installed."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {
        **others,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(PLUGINS)]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }


def isolate() -> None:
    """Change the variables of this process as `isolated` does, so that every Python that it starts,
    in commands of a shell too, gets them. Raises InputError as check_place."""
    check_place()
    given = isolated()
    for name in set(os.environ) - set(given):
        del os.environ[name]
    os.environ.update(given)
    sys.executable = Interpreter(sys.executable)


if __name__ == "__main__":
    try:
        check_place()
        check_blender_place(ROOT)
    except InputError as error:
        sys.exit(f"error: {error}")
