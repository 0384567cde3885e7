"""Verbs for a run: its state, what it will cost, what of it may be deleted, one of its jobs
again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.core.verbs import Verbs, configured

LONGEST = 86400  # largest pause of --watch in seconds


def add_status(verbs: Verbs) -> None:
    p = verbs.add(
        "status",
        "show the state of a run: jobs, steps, time left, what runs where, what failed and why",
        "hgm status --run results/demo --watch",
        _status,
    )
    p.add_argument(
        "--run",
        type=Path,
        help="folder of a run, results/<run>; without it that of the configuration",
    )
    configured(p)
    p.add_argument(
        "--watch",
        action="store_true",
        help="repeat until the run is finished or Ctrl-C",
    )
    p.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="pause of --watch")


def _status(args: argparse.Namespace) -> int:
    import time

    from hgm.core.run_folder import RunFolder
    from hgm.errors import InputError
    from hgm.workflow.configuration import read_files
    from hgm.workflow.forecast import read_figures
    from hgm.workflow.plan import plan_for
    from hgm.workflow.status import describe, plan_of

    if not 0 < args.every <= LONGEST:
        raise InputError(
            f"--every: {args.every:g}; expected seconds, more than 0 and {LONGEST} at most"
        )
    if args.run is not None and not args.configfile:
        run = args.run
        plan = plan_of(args.run)
    else:
        plan = plan_for(read_files(args.configfile).model_dump(mode="json"))
        run = args.run or RunFolder.named(plan.config["run"]).path
    while True:
        text = describe(plan, run, read_figures(run.parent))
        sys.stdout.write(f"\x1b[H\x1b[2J{text}" if args.watch and sys.stdout.isatty() else text)
        sys.stdout.flush()
        if not args.watch or text.endswith("Finished.\n"):
            return 0
        try:
            time.sleep(args.every)
        except KeyboardInterrupt:
            return 0


def add_plan(verbs: Verbs) -> None:
    p = verbs.add(
        "plan",
        "estimate jobs, hours, GPU-hours and disk of a configuration before it starts, for a "
        "device, corrected by earlier runs",
        "hgm plan --configfile config/hgm/thuman2.yaml --device a100 --gpus 4",
        _plan,
    )
    configured(p)
    p.add_argument(
        "--device",
        help="h100, a100, l40s or cpu; without it cpu, or a100 where the configuration says "
        "device: cuda",
    )
    p.add_argument("--gpus", type=int, default=1, help="GPUs that are used at once")
    p.add_argument(
        "--cores",
        type=int,
        help="cores that are used at once; by default 8 a GPU, without GPUs those of this machine",
    )
    p.add_argument(
        "--results", type=Path, metavar="DIR", help="folder of the earlier runs (results)"
    )


def _plan(args: argparse.Namespace) -> int:
    import os

    from hgm.core.run_folder import RESULTS, RunFolder
    from hgm.errors import InputError
    from hgm.workflow.cards import card_for
    from hgm.workflow.configuration import read_files
    from hgm.workflow.forecast import forecast, read_figures, table
    from hgm.workflow.plan import plan_for

    plan = plan_for(read_files(args.configfile).model_dump(mode="json"))
    card = card_for(args.device, str(plan.config["device"]))
    cores = (
        args.cores
        if args.cores is not None
        else 8 * args.gpus
        if card.gpu
        else len(os.sched_getaffinity(0))
    )
    for name, value in (("--gpus", args.gpus), ("--cores", cores)):
        if value < 1:
            raise InputError(f"{name}: {value}; expected 1 or more")
    if args.results is not None and not args.results.is_dir():
        raise InputError(
            f"--results: {args.results} is no folder; expected the folder of earlier runs, such "
            "as results"
        )
    estimates = forecast(
        plan,
        RunFolder.named(plan.config["run"], args.results or RESULTS).path,
        read_figures(args.results or RESULTS, card),
        card,
    )
    sys.stdout.write(table(estimates, plan, card, gpus=args.gpus if card.gpu else 0, cores=cores))
    return 0


def add_prune(verbs: Verbs) -> None:
    p = verbs.add(
        "prune",
        "delete files of a run that nothing needs any more and that can be made again; asks first",
        "hgm prune --run results/demo --dry-run",
        _prune,
    )
    p.add_argument(
        "stages",
        nargs="*",
        metavar="STAGE",
        help="only files of these: coarse, fusion, …, standin, temporary",
    )
    p.add_argument("--run", type=Path, required=True, help="folder of a run, results/<run>")
    p.add_argument("--dry-run", action="store_true", help="only show what would be deleted")
    p.add_argument("--yes", action="store_true", help="do not ask")


def _prune(args: argparse.Namespace) -> int:
    from hgm.workflow import prune
    from hgm.workflow.status import plan_of

    plan = plan_of(args.run)
    prune.check_idle(plan, args.run)
    found = prune.chosen(prune.candidates(plan, args.run), args.stages)
    sys.stdout.write(prune.describe(args.run, found))
    if args.dry_run or not found:
        return 0
    if not args.yes:
        sys.stdout.write("Delete? [y/N] ")
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            sys.stdout.write("Nothing was deleted.\n")
            return 0
    prune.check_idle(plan, args.run)
    sys.stdout.write(f"{prune.mib(prune.delete(found))} MiB deleted.\n")
    return 0


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

    from hgm.core.checkout import SCRIPTS, script_of
    from hgm.core.isolation import isolated
    from hgm.core.job import load_job
    from hgm.errors import InputError
    from hgm.systems import DEFAULT

    if not args.job.is_file():
        raise InputError(
            f"{args.job}: no such file; expected a .job.json beside a job's log, below "
            "results/<run>/logs"
        )
    job = load_job(args.job)
    # records of earlier versions name no script
    script = SCRIPTS / job.script if job.script else script_of(job.rule, DEFAULT)
    if not script.is_file() or not script.resolve().is_relative_to(SCRIPTS):
        raise InputError(
            f"{args.job}: names the script {job.script or job.rule}, which this version lacks"
        )
    return subprocess.run([sys.executable, str(script), str(args.job)], env=isolated()).returncode
