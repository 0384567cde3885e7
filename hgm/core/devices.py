"""Which GPU a job works on: jobs on one machine claim different ones by locks that end with their
processes."""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from hgm.core.locks import hold, release
from hgm.errors import InputError

log = logging.getLogger(__name__)
LISTED = re.compile(r"^( *)(?:GPU|MIG) .*\(UUID: ([^)]+)\)")
# device files of GPUs that torch may know: NVIDIA's, those of WSL, of ROCm
DRIVERS = ("nvidia[0-9]*", "nvgpu", "dxg", "kfd")
NAMES = r"^(auto|cpu|cuda(:\d+)?)$"  # what `device` may be
# the second tells child processes that the first is held for them
VISIBLE = "CUDA_VISIBLE_DEVICES"
CLAIMED = "HGM_CLAIMED"
PAUSE = 2.0  # seconds between two looks while all are taken


def parse_list(text: str) -> list[str]:
    """Names of the devices in the output of `nvidia-smi -L`; of a GPU in MIG mode those of its
    instances."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = LISTED.match(line)
        if match:
            found.append((len(match[1]), match[2]))
    return [
        name
        for i, (depth, name) in enumerate(found)
        if depth or i + 1 == len(found) or not found[i + 1][0]
    ]


def visible(names: Sequence[str], wanted: str | None) -> list[str]:
    """Those of the machine's devices that CUDA_VISIBLE_DEVICES = `wanted` leaves: indices or
    beginnings of names.

    As in CUDA, what follows the first unknown one is not seen.
    """
    if wanted is None:
        return list(names)
    found: list[str] = []
    for part in (p.strip() for p in wanted.split(",")):
        if part.isdigit():
            hit = list(names[int(part) : int(part) + 1])
        else:
            hit = [n for n in names if part and n.startswith(part)]
        if len(hit) != 1:
            break
        found += hit
    return found


def machine() -> list[str]:
    """Names of this machine's NVIDIA devices that this process may see; none without nvidia-smi.

    torch cannot be asked: once it has looked, CUDA_VISIBLE_DEVICES has no effect.
    """
    return visible(installed() or [], os.environ.get(VISIBLE))


def installed() -> list[str] | None:
    """Names of this machine's NVIDIA devices; None where nvidia-smi is not installed or fails."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        listed = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_list(listed)


def require(device: str, count: int = 1) -> None:
    """Raise InputError where `count` GPUs, or the one that `device` names, are known to be lacking
    on this machine.

    Looks at nvidia-smi and, without it, for the files of a driver, so that it costs no start of
    torch.
    """
    if not device.startswith("cuda"):
        return
    names = installed()
    driver = any(next(Path("/dev").glob(pattern), None) for pattern in DRIVERS)
    if names is None and driver:
        return  # a container without the command, for example: the job will see
    found = len(visible(names or [], os.environ.get(VISIBLE)))
    needed = max(count, index_of(device) + 1)
    if found < needed:
        hidden = f", of which {VISIBLE} shows {found}" if names and len(names) > found else ""
        advice = (
            "lower coarse.gpus and fusion.gpus"
            if count > 1 and found
            else "use device: auto or cpu"
        )
        raise InputError(
            f"device: {device} needs {needed} NVIDIA {'GPU' if needed == 1 else 'GPUs'}, this "
            f"machine has {len(names or [])}{hidden}; {advice}, or run where the GPUs are"
        )


def check_named(device: str, count: int) -> None:
    """Raise InputError where `device` is no name of one, or names one GPU by its number and a job
    is to have more."""
    if not re.match(NAMES, device):
        raise InputError(
            f"device: {device!r} is unknown; expected auto, cpu, cuda or the number of a GPU as "
            "cuda:1"
        )
    if ":" in device and count > 1:
        raise InputError(
            f"device: {device} names one GPU and {count} are asked for; use device: cuda"
        )


def check_shares(stage: str, count: int, accumulate: int) -> None:
    """Raise InputError where the `count` processes of a training cannot share a step's `accumulate`
    micro-batches evenly."""
    if accumulate % count:
        raise InputError(
            f"{stage}.gpus: {count} processes cannot share {accumulate} micro-batches evenly; set "
            f"{stage}.accumulate to a multiple of {count}"
        )


def index_of(device: str) -> int:
    """Which of the visible devices `cuda:1` names; 0 for `cuda`."""
    return int(device.partition(":")[2] or 0)


def runtime_folder() -> Path:
    """Where the locks are: the user's runtime folder, else one of their own among the temporary
    files."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and os.access(given, os.W_OK):
        return Path(given) / "hgm"
    return Path(tempfile.gettempdir()) / f"hgm-{os.getuid()}"


def lock_file(name: str) -> Path:
    return runtime_folder() / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.lock"


def claim(count: int = 1, index: int | None = None) -> list[str]:
    """Hold `count` devices, or the one of an index, until this process ends and let CUDA see only
    them; waits while others hold too many.

    Has to come before torch looks for devices. Where there are fewer than `count`, nothing is
    claimed; in a child of a process that has claimed, its devices are returned. All are taken or
    none, so that two jobs cannot wait for each other.
    """
    if os.environ.get(CLAIMED) and os.environ[CLAIMED] == os.environ.get(VISIBLE):
        return os.environ[CLAIMED].split(",")
    names = machine()
    if index is not None:
        names = names[index : index + 1]
    if len(names) < count:
        return []
    said = False
    while True:
        mine: list[str] = []
        for name in names:
            if len(mine) < count and hold(lock_file(name)):
                mine.append(name)
        if len(mine) == count:
            break
        for name in mine:
            release(lock_file(name))
        if not said:
            log.warning(
                "waiting for %d free of %d GPUs, which other jobs hold (locks in %s)",
                count,
                len(names),
                runtime_folder(),
            )
            said = True
        time.sleep(PAUSE * random.uniform(0.5, 1.0))
    os.environ[VISIBLE] = os.environ[CLAIMED] = ",".join(mine)
    log.info("GPU %s", ", ".join(mine))
    return mine


def select_device(name: str = "auto", gpus: int = 1) -> str:
    """The device a job works on: `cpu`, or `cuda` with `gpus` free GPUs of the machine claimed, of
    which it sees no other.

    `auto` is `cuda` where torch can use one, else `cpu`, and says which. `cuda:1` is the second
    visible GPU: claimed, it is the only one seen, hence `cuda`, so that libraries that work on the
    current device find it; where nvidia-smi cannot say which that is, it is made the current one.
    Raises InputError where a named device is lacking or torch cannot use it.
    """
    import torch

    check_named(name, gpus)
    if name == "cpu":
        return name
    named = ":" in name
    claimed = (
        claim(gpus, index_of(name) if named else None) if torch.version.cuda is not None else []
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")  # torch tells of an old driver by a warning
        usable = torch.cuda.is_available()
    reason = ""
    if not usable and installed():
        told = str(said[-1].message).split("(Triggered")[0] if said else ""
        reason = (
            "torch is built for CPUs (docs/environments.md)"
            if torch.version.cuda is None and torch.version.hip is None
            else f"torch for CUDA {torch.version.cuda} cannot use it: "
            f"{' '.join(told.split()) or 'it sees none'}"
        )
    if name == "auto":
        if reason:
            log.warning("device: auto takes the CPU although an NVIDIA driver is there: %s", reason)
        else:
            log.info("device: auto takes %s", "the GPU" if usable else "the CPU")
        return "cuda" if usable else "cpu"
    if not usable:
        raise InputError(
            f"device: {name} was asked for, but {reason or 'torch sees no CUDA device'}; use "
            "device: auto or cpu"
        )
    if not named or len(claimed) == 1:
        return "cuda"
    if index_of(name) >= torch.cuda.device_count():
        raise InputError(
            f"device: {name} was asked for, but {torch.cuda.device_count()} can be seen; the "
            "first is cuda:0"
        )
    torch.cuda.set_device(name)
    return name
