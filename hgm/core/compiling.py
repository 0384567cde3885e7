"""What torch.compile needs: compilers, Python's headers, and a cache folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from pathlib import Path

from hgm.core.caches import cache_folder
from hgm.errors import InputError

# Triton's launchers are C, what Inductor makes for a CPU is C++
COMPILERS = {"CC": ("gcc", "clang"), "CXX": ("g++", "clang++")}


def prepare_compiling() -> None:
    """Let torch.compile keep its results in a folder where later processes find them. Raises
    InputError at once where it lacks something: it would fail deep inside the first step, without a
    hint."""
    if lacking := missing_tools():
        raise InputError(
            f"network.compile: torch.compile needs {' and '.join(lacking)}; install what is "
            "missing (Debian: g++ and python3-dev, conda: gxx) or set network.compile: false"
        )
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "inductor"))


def missing_tools() -> list[str]:
    """What torch.compile needs and this machine lacks, as phrases."""
    found = [
        f"a {'C++' if variable == 'CXX' else 'C'} compiler ({' or '.join(names)}, or {variable})"
        for variable, names in COMPILERS.items()
        if not _compiler(variable, names)
    ]
    headers = Path(sysconfig.get_paths()["include"])
    return (
        found
        if (headers / "Python.h").is_file()
        else [*found, f"Python's headers ({headers / 'Python.h'})"]
    )


def _compiler(variable: str, names: tuple[str, ...]) -> bool:
    given = shlex.split(os.environ.get(variable, ""))[:1]
    return any(shutil.which(name) for name in given or names)
