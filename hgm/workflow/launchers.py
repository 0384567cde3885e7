"""Programs of an environment that find it by where they lie: `python -m hgm.workflow.launchers`, by
the Python of that environment.

pip writes the path of the environment into them, as text of a shell where it holds a blank, and
that of the checkout into a list of lines. So a quote, a dollar sign or a line break in a path would
be obeyed, and a folder that is moved would have lost its programs.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from hgm.core.checkout import PLUGINS, ROOT

# a shell runs the second line; to Python it is a text that ends in the third. -I: as in make,
# nothing else is looked into.
START = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" -I -X utf8 "$0" "$@"
' '''
"""
# what a shell obeys between double quotes, where older Pythons write the path
SHELL_TEXT = re.compile(r"[\"$`\\\x00-\x1f]")


def relocate(prefix: Path) -> None:
    """Rewrite what pip wrote into an environment: starts of programs, and the path of this
    checkout."""
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
