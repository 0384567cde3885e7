"""The process between a job and a program of others: `python -m hgm.body.estimators.child COMMAND…`
becomes that command.

It sees to it that the program dies with the job, and removes from the environment the variables of
our Python, which the program's Python would follow. This needs a process of its own, because
between fork and exec of a process with threads nothing of it may be done.
"""

from __future__ import annotations

import os
import sys

from hgm.core.processes import die_with_parent

# begin the names of what tells a Python where to look and how
OURS = ("PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")


def main(command: list[str]) -> None:
    """The folder of the interpreter comes first in PATH, as in an activated environment."""
    die_with_parent()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment["PATH"] = os.pathsep.join(
        [os.path.dirname(command[0]), environment.get("PATH", os.defpath)]
    )
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
