"""What identifies a job across runs of Snakemake: the files that it makes, and everything that
decides their content."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Identity:
    """`name`: rule and wildcards, for people to read; `product`: hash of rule and outputs;
    `content`: hash of parameters and inputs (path, modification time in ns, size)."""

    name: str
    product: str
    content: str

    def __str__(self) -> str:
        return f"{self.name} {self.product} {self.content}"


def identity(job: Any) -> Identity:
    """The identity of a Snakemake job."""
    inputs = [(str(path), *_stamp(str(path))) for path in job.input]
    name = "/".join(map(str, [job.name, *filter(None, job.wildcards)]))
    return Identity(
        re.sub(r"[^\w./-]", "_", name),
        _hash([job.name, sorted(map(str, job.output))]),
        _hash([sorted(inputs), list(job.params), dict(job.params.items())]),
    )


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:16]
