"""gsplat's CUDA kernels: built once for a kind of card, and loaded from there by every later
process.

Left alone, gsplat builds them at its first use into one folder for all cards and versions, for the
visible card only, and a build that starts removes the folder of one that is under way. Here a child
process lets gsplat build them in a folder of its own; what it made takes its place in the cache by
one renaming. A lock lets other processes, also of other machines that share the cache, wait instead
of building the same; where the file system has no locks they build it twice, which costs time only.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import torch

from hgm.core.caches import cache_folder
from hgm.core.locks import hold, release
from hgm.core.manifests import read_json, versions, write_json
from hgm.errors import InputError

log = logging.getLogger(__name__)
# what gsplat imports first; what it builds where there is none
BUILT_IN = "gsplat.csrc"
MODULE = "gsplat_cuda"
BUILD = "from gsplat.cuda._backend import _C; raise SystemExit(_C is None)"
LONGEST = 3600.0  # seconds of a build; minutes are usual
JOBS = 10  # compilers at once, at most, as gsplat itself has it
PAUSE = 1.0  # seconds between two looks at another process's build
TELLING = re.compile(r"[Ee]rror: |[Nn]o CUDA toolkit|Killed")  # in a line of what a build said


def make_ready(device: torch.device) -> str:
    """Have the kernels for a CUDA device in this process, built if need be; returns where they come
    from.

    Raises InputError with the reason, as a phrase, where they cannot be had, and what importing
    gsplat or its kernels raises.
    """
    if BUILT_IN in sys.modules:
        return str(sys.modules[BUILT_IN].__file__)
    if importlib.util.find_spec(BUILT_IN) is not None:
        # where gsplat cannot load them it would build others by itself, unguarded
        importlib.import_module(BUILT_IN)
        return "its wheel"
    library = built(torch.cuda.get_device_capability(device))
    spec = spec_from_file_location(
        MODULE, library, loader=ExtensionFileLoader(MODULE, str(library))
    )
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[BUILT_IN] = module
    return str(library)


def kernel_folder() -> Path:
    """Where built kernels are kept: TORCH_EXTENSIONS_DIR, else the user's cache."""
    given = os.environ.get("TORCH_EXTENSIONS_DIR")
    return Path(given) if given else cache_folder() / "kernels"


def library_of(capability: tuple[int, int]) -> Path:
    """The file of the kernels for cards of a compute capability; its name has all that they depend
    on."""
    python = "{}{}".format(*sys.version_info[:2])
    libc = platform.libc_ver()[1]
    parts = (
        f"gsplat-{versions(['gsplat'])['gsplat']}",
        "sm{}{}".format(*capability),
        f"torch{torch.__version__}",
        f"cuda{torch.version.cuda}",
        f"py{python}",
        f"glibc{libc}",
        platform.machine(),
    )
    return kernel_folder() / f"{'-'.join(parts)}.so"


def built(capability: tuple[int, int]) -> Path:
    """The kernels' file, built first where it is not there yet.

    Raises InputError with the reason, as a phrase, where they cannot be built. A failed build is
    remembered for the compilers that it was tried with, so that not every job of a run tries it
    again; see `forget_failure`.
    """
    library = library_of(capability)
    if library.is_file():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with _alone(library.with_suffix(".lock")):
            if not library.is_file():
                _build(library, "{}.{}".format(*capability))
    except OSError as error:
        raise InputError(
            f"its kernels cannot be kept: {error.filename or library.parent}: {error.strerror}; "
            "set TORCH_EXTENSIONS_DIR to a folder of yours"
        ) from None
    return library


def forget_failure(device: torch.device) -> None:
    """Let the next `built` for a card try again."""
    _note(library_of(torch.cuda.get_device_capability(device))).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock while the block runs; without it where the file system has no locks."""
    said = False
    while True:
        try:
            if hold(lock):
                break
        except OSError:
            yield
            return
        if not said:
            log.warning("another process builds gsplat's kernels; waiting for it (%s)", lock)
            said = True
        time.sleep(PAUSE)
    try:
        yield
    finally:
        release(lock)


def _build(library: Path, architecture: str) -> None:
    tools = compilers()
    note = _note(library)
    output = library.with_suffix(".log")
    if note.is_file():
        known = read_json(note)
        if known["compilers"] == tools:
            raise InputError(f"{known['reason']} ({output}; hgm doctor tries again)")
    log.warning(
        "building gsplat's kernels for compute capability %s, once, which takes minutes (%s)",
        architecture,
        output,
    )
    with tempfile.TemporaryDirectory(
        dir=library.parent, prefix=f".{library.stem}.", suffix=".part"
    ) as work:
        with open(output, "w") as file:
            try:
                code = subprocess.run(
                    [sys.executable, "-c", BUILD],
                    env=surroundings(architecture, Path(work)),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    timeout=LONGEST,
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        made = Path(work) / MODULE / f"{MODULE}.so"
        if code == 0 and made.is_file():
            note.unlink(missing_ok=True)
            os.replace(made, library)
            return
    reason = f"its kernels could not be built: {_telling(output)}"
    if code >= 0:  # not stopped from outside
        write_json(note, {"compilers": tools, "reason": reason})
    raise InputError(f"{reason} ({output})")


def _note(library: Path) -> Path:
    return library.with_suffix(".failed.json")


def _telling(output: Path) -> str:
    """The line of a build's output that says most about its failure."""
    lines = [
        line.strip() for line in output.read_text(errors="replace").splitlines() if line.strip()
    ]
    telling = [line for line in lines if TELLING.search(line)]
    return (telling or lines[-1:] or ["it said nothing"])[0][:200]


def compilers() -> dict[str, str | None]:
    """What a build is done with: another CUDA or C++ compiler is worth another try."""
    path = surroundings("", Path())["PATH"]
    return {
        "CUDA_HOME": os.environ.get("CUDA_HOME"),
        "nvcc": shutil.which("nvcc", path=path),
        "c++": shutil.which(os.environ.get("CXX", "c++"), path=path),
    }


def surroundings(architecture: str, work: Path) -> dict[str, str]:
    """Environment variables for a build in the folder `work`.

    The compilers of this Python's own environment come first. conda keeps CUDA's headers and
    libraries in a folder per target, where torch does not look.
    """
    prefix = Path(sys.prefix)
    found = {
        **os.environ,
        "TORCH_EXTENSIONS_DIR": str(work.absolute()),
        "TORCH_CUDA_ARCH_LIST": architecture,
        "VERBOSE": "1",
        "PATH": os.pathsep.join([str(prefix / "bin"), os.environ.get("PATH", os.defpath)]),
    }
    found.setdefault("MAX_JOBS", str(min(JOBS, len(os.sched_getaffinity(0)))))
    if (prefix / "bin" / "nvcc").is_file():
        found["CUDA_HOME"] = str(prefix)
    target = prefix / "targets" / f"{platform.machine()}-linux"
    if (target / "include").is_dir():
        found["CUDA_INC_PATH"] = str(target / "include")
        found["LIBRARY_PATH"] = os.pathsep.join(
            filter(None, [str(target / "lib"), os.environ.get("LIBRARY_PATH")])
        )
    return found
