"""The system of docs/new-system.md in a copy of the checkout. Tests of runs under kills, faults and
schedulers use it, since a whole run takes seconds."""

import re
from pathlib import Path

from checkouts import WORKFLOW, copy_checkout

PAGE = Path(__file__).resolve().parents[1] / "docs/new-system.md"
FILE = re.compile(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"```python\n(SYSTEMS = .*)\n```")


def files() -> dict[str, str]:
    """The files that the page defines, by path."""
    return dict(FILE.findall(PAGE.read_text()))


def write_system(folder: Path, names: tuple[str, ...] = WORKFLOW) -> Path:
    """Copy the checkout's `names` to `folder` and add the system of the page."""
    copy_checkout(folder, names)
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    [line] = NAMED.findall(PAGE.read_text())
    known = folder / "hgm/systems/__init__.py"
    changed, count = re.subn(r"^SYSTEMS = .*$", line, known.read_text(), flags=re.MULTILINE)
    assert count == 1
    known.write_text(changed)
    return folder
