"""Makes the programs of a Python environment find it by their own location: `python -m
hgm.workflow.launchers`, run with that environment's Python.

pip writes the path of the environment into its programs, as shell code where the path holds a
blank, and the path of the checkout into a .pth file. With these, a shell would interpret a quote, a
dollar sign or a line break of a path, and programs would stop working when the folder moves.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from hgm.core.checkout import PLUGINS, ROOT

# The shell runs the second line; to Python, the second and third line are one string. With -I, as
# in the Makefile, Python ignores the user's packages and environment variables.
START = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" -I -X utf8 "$0" "$@"
' '''
"""
# characters that a shell interprets between double quotes, where activate scripts of older Pythons
# have the path
SHELL_TEXT = re.compile(r"[\"$`\\\x00-\x1f]")


def relocate(prefix: Path) -> None:
    """Rewrite what pip wrote into the environment `prefix`: the first lines of its programs, and
    the path of this checkout. Activate scripts in which a shell would interpret the path are
    deleted."""
    bin_folder = prefix / "bin"
    own = re.compile(
        rb"\A#!(?:/bin/sh\n'''exec' .*?\n' '''|"
        + re.escape(os.fsencode(bin_folder))
        + rb"/python[\d.]*)\n",
        re.DOTALL,
    )
    for file in bin_folder.iterdir():
        if file.is_symlink() or not file.is_file():
            continue
        text = file.read_bytes()
        if start := own.match(text):
            file.write_bytes(START + text[start.end() :])
    for name, folder in (("hgm", ROOT), ("hgm_plugins", PLUGINS)):
        for link in prefix.glob(f"lib/python3*/site-packages/__editable__.{name}-*.pth"):
            link.write_text(os.path.relpath(folder, link.parent) + "\n")
    if SHELL_TEXT.search(str(prefix)):
        for file in bin_folder.glob("[aA]ctivate*"):
            file.unlink()


if __name__ == "__main__":
    relocate(Path(sys.prefix))
