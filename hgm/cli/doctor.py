"""`hgm doctor`: what a configuration needs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs, configured


def add_doctor(verbs: Verbs) -> None:
    p = verbs.add(
        "doctor",
        "check everything that a configuration needs, and fetch what is free",
        "hgm doctor --configfile config/thuman2.yaml",
        _doctor,
    )
    configured(p)
    p.add_argument(
        "--fetch",
        nargs="*",
        metavar="ASSET",
        help="first download what the configuration needs, lacks and may be fetched freely, or "
        "the named assets",
    )
    p.add_argument(
        "--into",
        type=Path,
        default=Path("assets"),
        metavar="DIR",
        help="folder for downloads (assets)",
    )
    p.add_argument("--markdown", action="store_true", help="print docs/data.md")


def _doctor(args: argparse.Namespace) -> int:
    from hgm.workflow.configuration import read_files
    from hgm.workflow.doctor import examination, guide
    from hgm.workflow.doctor.findings import table

    if args.markdown:
        sys.stdout.write(guide.to_markdown())
        return 0
    config = read_files(args.configfile)
    try:
        failed = (
            examination.fetch_free(config, args.fetch, args.into) if args.fetch is not None else {}
        )
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on from here\n")
        return 130
    findings = examination.examine(config)
    sys.stdout.write(table(findings))
    faults = [f.title for f in findings if f.fault]
    for name, reason in failed.items():
        sys.stderr.write(f"error: {name}: {reason}\n")
    if faults:
        sys.stderr.write(
            f"error: {len(faults)} of what run {config.run} needs is not there or not right: "
            f"{', '.join(faults)}\n"
        )
    return 1 if faults or failed else 0
