"""What jobs requested and what they used of it, from SLURM's accounts (sacct), as one table."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from snakemake_executor_plugin_slurm.utils import time_to_seconds

from snakemake_executor_plugin_slurm_safe.queue import command

FIELDS = (
    "JobIDRaw",
    "State",
    "NodeList",
    "ElapsedRaw",
    "AllocCPUS",
    "TotalCPU",
    "ReqMem",
    "MaxRSS",
)
COLUMNS = (
    "job",
    "name",
    "state",
    "node",
    "seconds",
    "cpus",
    "cpu_seconds",
    "cpu_percent",
    "asked_mb",
    "used_mb",
    "memory_percent",
)
AT_ONCE = 500  # job ids in one call of sacct


def accounts(names: Mapping[str, str]) -> list[dict[str, str]]:
    """A row of COLUMNS for each SLURM job that has begun; `names`: by its id, what the job makes.

    Of a requeued job, the last start counts. Cells for which the cluster keeps no accounts are
    empty. Raises Unreachable or Refused.
    """
    ids = list(names)
    rows = []
    for first in range(0, len(ids), AT_ONCE):
        said = command(
            [
                "sacct",
                f"--jobs={','.join(ids[first : first + AT_ONCE])}",
                "--noheader",
                "--parsable2",
                "--units=M",
                f"--format={','.join(FIELDS)}",
            ]
        )
        steps = [
            dict(zip(FIELDS, line.split("|"), strict=False))
            for line in said.splitlines()
            if line.count("|") == len(FIELDS) - 1
        ]
        largest: dict[str, float] = {}
        for step in steps:
            job = step["JobIDRaw"].partition(".")[0]
            memory = _megabytes(step["MaxRSS"])
            if memory is not None:
                largest[job] = max(memory, largest.get(job, 0.0))
        rows += [
            _row(step, names[step["JobIDRaw"]], largest.get(step["JobIDRaw"]))
            for step in steps
            if step["JobIDRaw"] in names and step["State"] != "PENDING"
        ]
    return rows


def _row(job: Mapping[str, str], name: str, used: float | None) -> dict[str, str]:
    seconds = int(job["ElapsedRaw"] or 0)
    cpus = int(job["AllocCPUS"] or 0)
    asked = _megabytes(job["ReqMem"])
    cpu = time_to_seconds(job["TotalCPU"]) if job["TotalCPU"][:1].isdigit() else None
    return {
        "job": job["JobIDRaw"],
        "name": name,
        "state": job["State"],
        "node": job["NodeList"],
        "seconds": str(seconds),
        "cpus": str(cpus),
        "cpu_seconds": _text(cpu),
        "cpu_percent": _percent(cpu, seconds * cpus),
        "asked_mb": _text(asked),
        "used_mb": _text(used),
        "memory_percent": _percent(used, asked),
    }


def _megabytes(text: str) -> float | None:
    number = text.removesuffix("M").removesuffix("?")
    return float(number) if re.fullmatch(r"\d+(\.\d+)?", number) else None


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _percent(part: float | None, whole: float | None) -> str:
    return f"{100 * part / whole:.1f}" if part is not None and whole else ""


def write_report(path: Path, rows: Iterable[Mapping[str, str]]) -> int:
    """Add rows to the table at `path`; rows of other jobs, from earlier Snakemake processes, stay.
    Returns the number of rows."""
    known: dict[str, Mapping[str, str]] = {}
    if path.is_file():
        with open(path, newline="") as file:
            known = {row["job"]: row for row in csv.DictReader(file) if row.keys() == set(COLUMNS)}
    known |= {row["job"]: row for row in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with open(new, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known.values())
    os.replace(new, path)
    return len(known)
