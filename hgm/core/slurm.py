"""The SLURM job that this process works in, if any: how long it may still work, and how it is put
back into the queue."""

from __future__ import annotations

import os
import re
import subprocess

LEFT = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")
SECONDS = 60.0  # for an answer of the controller


def job_id() -> str | None:
    """Id of the SLURM job around this process."""
    return os.environ.get("SLURM_JOB_ID")


def seconds_left() -> float | None:
    """Seconds until SLURM ends the job; None outside a job, without a limit, or where the
    controller does not say."""
    job = job_id()
    if job is None:
        return None
    try:
        said = subprocess.run(
            ["squeue", "--noheader", f"--jobs={job}", "--format=%L"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_left(said)


def parse_left(text: str) -> float | None:
    """Seconds of squeue's `[days-][hours:]minutes:seconds`; None for UNLIMITED, INVALID and the
    like."""
    match = LEFT.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def requeue() -> bool:
    """Ask SLURM to stop this job and start it again from the queue, where its time begins anew;
    False where it may not.

    After True the process has to wait: SLURM is about to end it.
    """
    job = job_id()
    if job is None:
        return False
    try:
        subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True
