"""`hgm status`, `hgm plan` and `hgm prune`: a run seen from outside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs, configured


def add_status(verbs: Verbs) -> None:
    p = verbs.add("status", "where a run stands: jobs, steps, time left, what runs where, what failed and why",
                  "hgm status --run results/demo --watch", _status)
    p.add_argument("--run", type=Path, help="folder of a run, results/<run>; without it that of the configuration")
    configured(p)
    p.add_argument("--watch", action="store_true", help="again and again, until the run is finished or Ctrl-C")
    p.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="pause of --watch")


def _status(args: argparse.Namespace) -> int:
    import time

    from hgm.config import read_files
    from hgm.control.forecast import read_figures
    from hgm.control.status import describe, plan_of
    from hgm.plan import Plan

    if args.run is not None and not args.configfile:
        run, plan = args.run, plan_of(args.run)
    else:
        plan = Plan(read_files(args.configfile).model_dump(mode="json"))
        run = args.run or Path("results") / plan.config["run"]
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
    p = verbs.add("plan", "jobs, hours and GPU-hours of a configuration before it starts, from the benchmarks of earlier runs",
                  "hgm plan --configfile config/single_gpu.yaml", _plan)
    configured(p)
    p.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the earlier runs (results)")


def _plan(args: argparse.Namespace) -> int:
    from hgm.config import read_files
    from hgm.control.forecast import forecast, read_figures, table
    from hgm.plan import Plan

    plan = Plan(read_files(args.configfile).model_dump(mode="json"))
    sys.stdout.write(table(forecast(plan, Path("results") / plan.config["run"], read_figures(args.results))))
    return 0


def add_prune(verbs: Verbs) -> None:
    p = verbs.add("prune", "delete what of a run can be made again and nothing needs any more; asks first",
                  "hgm prune --run results/demo --dry-run", _prune)
    p.add_argument("stages", nargs="*", metavar="STAGE", help="only of these: coarse, fusion, …, standin, temporary")
    p.add_argument("--run", type=Path, required=True, help="folder of a run, results/<run>")
    p.add_argument("--dry-run", action="store_true", help="only say what would go")
    p.add_argument("--yes", action="store_true", help="do not ask")


def _prune(args: argparse.Namespace) -> int:
    from hgm.control import prune
    from hgm.control.status import plan_of

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
