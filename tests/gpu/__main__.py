"""`python -m tests.gpu`: the checks of this folder and short benchmarks on this machine's CUDA
device, as one JSON file.

The file has the outcome and figures of each check, with card, driver and versions. Checks for which
no time is left are listed as not run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "diffusers",
    "transformers",
    "gsplat",
    "spconv",
    "smplx",
    "numba",
    "open3d",
)
BENCHES = {  # arguments of `hgm bench`, the most important benchmark first
    "splatting": ["--only", "splatting-backward", "volume"],
    "networks": ["--only", "coarse", "fusion", "--precision", "bf16"],
    "training": ["--only", "training", "--precision", "bf16", "--batch", "2"],
    "photo": ["--only", "photo", "--precision", "bf16"],
}


class Outcomes:
    """A pytest plugin that records the outcome of each check, from its last relevant phase."""

    def __init__(self, until: float, said: dict[str, Any]) -> None:
        self.until = until
        self.said = said

    def pytest_runtest_setup(self, item: Any) -> None:
        import pytest

        if time.monotonic() > self.until:
            pytest.skip("no time left (--minutes)")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call" and report.passed:
            return
        reason = (
            report.longrepr[2]
            if report.skipped
            else (report.longreprtext.splitlines() or [""])[-1]
            if report.failed
            else ""
        )
        self.said[report.nodeid.rpartition("/")[2]] = {
            "outcome": report.outcome,
            "seconds": round(report.duration, 2),
            **({"reason": reason[:500]} if reason else {}),
            **dict(report.user_properties),
        }

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.said[report.nodeid] = {"outcome": "failed", "reason": report.longreprtext[-500:]}


def machine() -> dict[str, Any]:
    """Card, driver and versions; None for what is missing."""
    import torch

    query = None
    if shutil.which("nvidia-smi"):
        asked = [
            "nvidia-smi",
            "--query-gpu=name,driver_version,memory.total",
            "--format=csv,noheader",
        ]
        query = subprocess.run(asked, capture_output=True, text=True).stdout.strip().splitlines()
    there = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return {
        "cards": query,
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "packages": {n: v for n, v in sorted(there.items()) if n.split("-")[0] in PACKAGES},
    }


def check(report: dict[str, Any], until: float, pretended: bool) -> None:
    import pytest

    options = [
        "-m",
        "gpu",
        "-q",
        "-p",
        "no:cacheprovider",
        *(["--pretended-cuda"] if pretended else []),
        str(HERE),
    ]
    report["checks"] = {}
    report["checks_status"] = int(pytest.main(options, plugins=[Outcomes(until, report["checks"])]))


def bench(report: dict[str, Any], until: float, preset: str, folder: Path) -> None:
    """Each benchmark runs in a process of its own, so that one that fails or takes too long does
    not affect the others."""
    report["benches"] = {}
    for name, words in BENCHES.items():
        out = folder / f"bench_{name}.json"
        left = until - time.monotonic()
        if left < 20:
            report["benches"][name] = {"outcome": "not run", "reason": "no time left (--minutes)"}
            continue
        common = [
            "bench",
            "--preset",
            preset,
            "--device",
            "cuda",
            "--repeats",
            "3",
            "--out",
            str(out),
        ]
        command = [sys.executable, "-m", "hgm.cli", *common, *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left)
        except subprocess.TimeoutExpired:
            report["benches"][name] = {
                "outcome": "not run",
                "reason": "took longer than the time left (--minutes)",
            }
            continue
        failed = {"outcome": "failed", "reason": done.stderr[-500:]}
        report["benches"][name] = failed if done.returncode else json.loads(out.read_text())
        out.unlink(missing_ok=True)


def options(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), metavar="FILE.json")
    parser.add_argument(
        "--minutes", type=float, default=8.0, help="after which nothing more is begun"
    )
    parser.add_argument(
        "--preset", default="paper", help="sizes of the benches: tiny, small or paper"
    )
    parser.add_argument(
        "--pretended-cuda",
        action="store_true",
        help="the checks on a pretended device, without benches",
    )
    return parser.parse_args(words)


def main() -> int:
    args = options()
    end = time.monotonic() + 60 * args.minutes
    import torch

    if not args.pretended_cuda and not torch.cuda.is_available():
        print(
            f"error: torch {torch.__version__} sees no CUDA device; see `python -m hgm.cli doctor`",
            file=sys.stderr,
        )
        return 1
    os.environ.setdefault("HGM_THREADS", "1")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"pretended": args.pretended_cuda, "machine": machine()}
    check(report, end - 0.5 * 60 * args.minutes, args.pretended_cuda)
    args.out.write_text(json.dumps(report, indent=1) + "\n")  # before the benches, which may fail
    if not args.pretended_cuda:
        bench(report, end, args.preset, args.out.parent)
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    counted = [found["outcome"] for found in report["checks"].values()]
    print(
        f"{args.out}: "
        + ", ".join(f"{counted.count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))
    )
    return report["checks_status"]


if __name__ == "__main__":
    sys.exit(main())
