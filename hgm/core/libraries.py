"""Libraries of the system that bpy and open3d link to and a slim image lacks: which they are, and
which packages bring them.

`python -m hgm.core.libraries` says it in one line and fails, so that a run does not begin without
them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from hgm.errors import MissingDependency

# package -> the file in it that links to X11 and OpenGL
BINARIES = {"bpy": "__init__*.so", "open3d": "cpu/pybind*.so"}
ABSENT = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)  # a line of ldd
FAILED = re.compile(r"(\S+\.so\S*): cannot open shared object file")  # of an ImportError
# Debian packages that are not called after their library
UNLIKE = {"libz.so.1": "zlib1g", "libglib-2.0.so.0": "libglib2.0-0"}


def missing_libraries() -> list[str]:
    """Names (libGL.so.1) of what the dynamic linker does not find for the installed packages;
    nothing where there is no ldd."""
    files = [
        str(file)
        for name, pattern in BINARIES.items()
        for place in _folders(name)
        for file in Path(place).glob(pattern)
    ]
    return absent(files)


def absent(files: Iterable[str | Path]) -> list[str]:
    """Names of the libraries that some of these files need, themselves or through others, and that
    the dynamic linker does not find."""
    command = ["ldd", *map(str, files)]
    if len(command) == 1 or shutil.which("ldd") is None:
        return []
    said = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env={**os.environ, "LC_ALL": "C"}
    ).stdout
    return sorted(set(ABSENT.findall(said)))


def _folders(package: str) -> list[str]:
    spec = find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def debian_package(library: str) -> str:
    """The package of a shared library: Debian calls it after the library and the version of its
    interface (Policy, 8.1)."""
    name, _, version = library.partition(".so.")
    package = f"{name}{'-' if name[-1].isdigit() else ''}{version}".lower().replace("_", "-")
    return UNLIKE.get(library, package)


def lacking(libraries: Iterable[str]) -> MissingDependency:
    """What is missing and the command that installs it here, in one line."""
    names = sorted(set(libraries))
    if shutil.which("apt-get") is None and (tool := shutil.which("dnf") or shutil.which("yum")):
        command = " ".join(
            [f"{Path(tool).name} install", *(f"'{name}()(64bit)'" for name in names)]
        )
    else:
        command = " ".join(
            ["apt-get install --no-install-recommends", *sorted(map(debian_package, names))]
        )
    return MissingDependency(
        f"bpy and open3d need libraries that this system lacks ({', '.join(names)}); install "
        f"them, as root: {command} (without root: docs/environments.md)"
    )


def explain(error: ImportError) -> MissingDependency | None:
    """The same for an import that failed for want of a library; None for other failures."""
    found = FAILED.search(str(error))
    return lacking([found[1], *missing_libraries()]) if found is not None else None


if __name__ == "__main__":
    if names := missing_libraries():
        sys.exit(f"error: {lacking(names)}")
