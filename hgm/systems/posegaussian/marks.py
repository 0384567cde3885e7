"""Marks of what is done, for stages whose results are spread over the folders of the layout."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path


def link_files(files: Iterable[Path], folder: Path) -> None:
    """Put links to files into the folder that a stage marks as whole, where the file system has
    links: the mark then notices when a file is lost or cut short."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        with contextlib.suppress(OSError):
            name = f"{file.parent.parent.name}_{file.parent.name}_{file.name}"
            (folder / name).symlink_to(os.path.relpath(file, folder))
