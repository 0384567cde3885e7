"""`hgm replay`: one job again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs


def add_replay(verbs: Verbs) -> None:
    p = verbs.add(
        "replay",
        "do one job of a run again, without Snakemake",
        "hgm replay results/demo/logs/render/train000.job.json",
        _replay,
    )
    p.add_argument("job", type=Path, help="a .job.json beside a job's log")


def _replay(args: argparse.Namespace) -> int:
    import subprocess

    from hgm.core.checkout import SCRIPTS
    from hgm.core.isolation import isolated
    from hgm.core.job import load_job
    from hgm.errors import InputError

    if not args.job.is_file():
        raise InputError(
            f"{args.job}: no such file; expected a .job.json beside a job's log, below "
            "results/<run>/logs"
        )
    job = load_job(args.job)
    script = SCRIPTS / f"{job.rule}.py"
    return subprocess.run([sys.executable, str(script), str(args.job)], env=isolated()).returncode
