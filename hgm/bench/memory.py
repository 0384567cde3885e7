"""Peak memory of a piece of work, or None where this system cannot tell.

On CUDA it is the most that torch's allocator held, weights and inputs included. On a CPU it is how
far the resident memory of the process rose above its level at the start, where weights and inputs
are there already; Linux resets and keeps that peak (proc_pid_clear_refs(5), VmHWM in
proc_pid_status(5)). Memory that was freed but not given back is given back first.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from pathlib import Path

import torch

PROCESS = Path("/proc/self")


def start_peak(device: str) -> Callable[[], int | None]:
    """Begin to watch; the result says the peak in bytes since then."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return lambda: torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (PROCESS / "clear_refs").write_text("5")
        level = _status("VmRSS")
    except (OSError, KeyError):
        return lambda: None
    return lambda: max(_status("VmHWM") - level, 0)


def _status(key: str) -> int:
    """A size in bytes from the status of this process."""
    fields = dict(line.split(":", 1) for line in (PROCESS / "status").read_text().splitlines())
    return int(fields[key].split()[0]) * 1024
