"""Runs the numeric tests as on other x86-64 processors: with the libraries limited to older
instruction sets, and with two threads.

The processor decides which kernels a library uses. Kernels differ in the order of sums and in the
use of fused multiply-add, so results differ in their last digits. Tests have to pass for all of
them. `make test-isa` runs this; one limit on one folder:

    .venv/bin/python tests/processors.py --only sse4 --tests tests/nets

The output ends with a table: limit, tests, seconds, and the libraries whose results the limit
changes on this machine; an empty last column says that the limit changes nothing here. The output
of pytest is in the folder of --logs. The exit status is 1 where a test failed.
"""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.core import _multiarray_umath as core

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_NUMBERS = (  # tests of files, texts and processes, left out; all others are run
    "cli",
    "core",
    "devices",
    "docs",
    "fuzzing",
    "report",
    "runs",
    "scans/test_catalogue.py",
    "systems/hgm/test_paper_preset.py",
    "systems/hgm/test_requests.py",
    "test_processors.py",
    "trust",
    "workflow",
)
# instruction sets of this machine for which numpy has kernels
FEATURES = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]

AVX2 = {  # of Intel's Haswell and AMD's Zen, without AVX-512
    "ATen": {"ATEN_CPU_CAPABILITY": "avx2"},
    "oneDNN": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "MKL": {"MKL_CBWR": "AVX2"},
    "OpenBLAS": {"OPENBLAS_CORETYPE": "Haswell"},
    "numpy": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in FEATURES if name.startswith("AVX512"))
    },
    "numba": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,"
        "+avx,+avx2,+fma,+f16c,+bmi,+bmi2",
    },
}
SSE4 = {  # without AVX and fused multiply-add
    "ATen": {"ATEN_CPU_CAPABILITY": "default"},
    "oneDNN": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "MKL": {"MKL_CBWR": "COMPATIBLE"},
    "OpenBLAS": {"OPENBLAS_CORETYPE": "Nehalem"},
    "numpy": {"NPY_DISABLE_CPU_FEATURES": " ".join(FEATURES)},
    "numba": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "libm": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-AVX,-FMA4"},
    "Cycles": {"CYCLES_CPU_NO_AVX2": "1"},
}
THREADS = ("OMP_NUM_THREADS", "HGM_THREADS")


def merged(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    return {name: value for part in parts for name, value in part.items()}


LIMITS: dict[str, dict[str, str]] = {
    "native": {},
    "avx2": merged(AVX2.values()),
    "sse4": merged(SSE4.values()),
    # libraries with kernels of their own, one at a time
    **{f"{library.lower()}-avx2": AVX2[library] for library in ("oneDNN", "MKL", "OpenBLAS")},
    **{f"{library.lower()}-sse4": variables for library, variables in SSE4.items()},
    "two-threads": dict.fromkeys(THREADS, "2"),
}


class Row(NamedTuple):
    """The results of the tests under one limit."""

    limit: str
    passed: int
    skipped: int
    failed: list[str]
    seconds: float
    changed: list[str]  # libraries


def environment(limit: str) -> dict[str, str]:
    """The environment of this process with one thread, without other limits, and with this
    limit."""
    known = set(merged([*AVX2.values(), *SSE4.values()]))
    return {
        **{k: v for k, v in os.environ.items() if k not in known},
        **dict.fromkeys(THREADS, "1"),
        **LIMITS[limit],
    }


def fingerprints() -> dict[str, str]:
    """By library, a digest of numbers that it computes in this process."""
    import numba
    import torch
    from scipy import linalg

    random = np.random.default_rng(0)
    wide = random.random((200, 300))
    narrow = random.random((200, 300)).astype(np.float32)

    @numba.njit(fastmath=True)
    def total(x):  # the order of the sum depends on the width of the vector unit
        sum_ = 0.0
        for i in range(x.size):
            sum_ += x[i] * x[i]
        return sum_

    a = torch.from_numpy(narrow)
    b = torch.from_numpy(wide[:96, :297].reshape(2, 16, 27, 33)).float()
    found = {
        "ATen": torch.randn(1000, generator=torch.Generator().manual_seed(0)).numpy(),
        "oneDNN": torch.conv2d(b, b[:, :, :3, :3]).numpy(),
        "MKL": torch.cat([(a.mT @ a).flatten(), torch.linalg.svdvals(a)]).numpy(),
        "OpenBLAS": np.append(linalg.svdvals(wide), (narrow.T @ narrow).ravel()),
        "numpy": np.append(np.exp(wide), np.exp(narrow)),
        "numba": np.array([total(row) for row in wide]),
        "libm": np.sin(wide),
    }
    return {
        library: hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
        for library, x in found.items()
    }


@cache
def probe(limit: str) -> dict[str, str]:
    """`fingerprints` in a process under a limit."""
    command = [sys.executable, __file__, "--fingerprints"]
    done = subprocess.run(
        command, env=environment(limit), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def chosen(tests: list[str]) -> list[str]:
    """Arguments for pytest: the given tests, or all but those without numbers."""
    return tests or ["tests", *(f"--ignore=tests/{name}" for name in WITHOUT_NUMBERS)]


def run(limit: str, tests: list[str], workers: int, logs: Path, native: dict[str, str]) -> Row:
    """Run the tests under a limit; the output of pytest goes to `logs`."""
    start = time.monotonic()
    report = logs / f"{limit}.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        *chosen(tests),
        "-p",
        "no:cacheprovider",
        f"--junit-xml={report}",
        "-n",
        str(workers),
        "--dist",
        "loadfile",
    ]
    with (logs / f"{limit}.log").open("w") as log:
        status = subprocess.run(
            command, cwd=ROOT, env=environment(limit), stdout=log, stderr=subprocess.STDOUT
        ).returncode
    seconds = time.monotonic() - start
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    failed = [
        f"{c.get('classname')}::{c.get('name')}"
        for c in cases
        if c.find("failure") is not None or c.find("error") is not None
    ]
    skipped = sum(c.find("skipped") is not None for c in cases)
    if status and not failed:
        failed = [f"pytest ended with status {status}; see {logs / limit}.log"]
    changed = [library for library, value in probe(limit).items() if value != native[library]]
    return Row(
        limit,
        len(cases) - skipped - len([f for f in failed if "::" in f]),
        skipped,
        failed,
        seconds,
        changed,
    )


def table(rows: list[Row]) -> str:
    width = max(len(row.limit) for row in rows)
    lines = [
        f"{'limit':{width}}  passed  skipped  failed  seconds  numbers that differ from native"
    ]
    for r in rows:
        counts = f"{r.passed:6}  {r.skipped:7}  {len(r.failed):6}  {math.ceil(r.seconds):7}"
        lines.append(f"{r.limit:{width}}  {counts}  {', '.join(r.changed)}".rstrip())
    return "\n".join([*lines, *(f"{r.limit}: {name}" for r in rows for name in r.failed)])


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LIMITS,
        default=list(LIMITS),
        metavar="LIMIT",
        help=", ".join(LIMITS),
    )
    parser.add_argument(
        "--tests", nargs="+", default=[], help="files or folders; all numeric tests without it"
    )
    parser.add_argument(
        "--workers", type=int, default=len(os.sched_getaffinity(0)), help="test processes at a time"
    )
    parser.add_argument(
        "--logs", type=Path, default=Path(tempfile.gettempdir()) / f"hgm-processors-{os.getuid()}"
    )
    parser.add_argument("--fingerprints", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.fingerprints:
        print(json.dumps(fingerprints()))
        return 0
    given.logs.mkdir(parents=True, exist_ok=True)
    native = probe("native")
    rows = []
    for limit in given.only:
        print(f"{limit} …", flush=True)
        rows.append(run(limit, given.tests, given.workers, given.logs, native))
    print(table(rows))
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
