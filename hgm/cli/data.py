"""Verbs for what a run needs: stand-in humans, data and weights, rendered views from another
machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.core.verbs import Verbs, configured


def add_standin(verbs: Verbs) -> None:
    p = verbs.add(
        "standin",
        "make free stand-in humans in THuman2.0's layout",
        "hgm standin --ids 0000-0003 --out scans",
        _standin,
    )
    p.add_argument("--ids", default="0000-0003", help="ids and ranges; the id is the seed")
    p.add_argument(
        "--out", type=Path, required=True, help="folder for the scans, the fits and the body model"
    )
    p.add_argument("--texture", type=int, default=2048, help="edge of the texture in pixels")


def _standin(args: argparse.Namespace) -> int:
    from hgm.scans.catalogue import parse_ids
    from hgm.standin import make_chunk
    from hgm.standin.body.core import write_models

    write_models(args.out / "models")
    make_chunk(args.out, map(int, parse_ids(args.ids, "--ids")), args.texture)
    sys.stdout.write(f"{args.out}: stand-in humans {args.ids} in THuman2.0's layout\n")
    return 0


def add_doctor(verbs: Verbs) -> None:
    p = verbs.add(
        "doctor",
        "check everything that a configuration needs, and fetch what is free",
        "hgm doctor --configfile config/hgm/thuman2.yaml",
        _doctor,
    )
    configured(p)
    p.add_argument(
        "--fetch",
        nargs="*",
        metavar="ASSET",
        help="first download the named assets, or, without names, the free ones that the "
        "configuration needs and lacks",
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
        sys.stderr.write("interrupted; run the same command again to continue\n")
        return 130
    findings = examination.examine(config)
    sys.stdout.write(table(findings))
    faults = [f.title for f in findings if f.fault]
    for name, reason in failed.items():
        sys.stderr.write(f"error: {name}: {reason}\n")
    if faults:
        sys.stderr.write(
            f"error: {len(faults)} of the things that run {config.run} needs are missing or "
            f"damaged: {', '.join(faults)}\n"
        )
    return 1 if faults or failed else 0


def add_pack(verbs: Verbs) -> None:
    p = verbs.add(
        "pack",
        "write the rendered views of a run to one small file, to train on another machine",
        "hgm pack --configfile config/hgm/single_gpu.yaml --out views.zip",
        _pack,
    )
    configured(p)
    p.add_argument("--out", type=Path, required=True, help="the file to write")


def _pack(args: argparse.Namespace) -> int:
    from hgm.workflow.configuration import read_files
    from hgm.workflow.pack import pack

    people = pack(read_files(args.configfile), args.out)
    sys.stdout.write(f"{args.out}: {people} people, {args.out.stat().st_size / 2**20:.1f} MiB\n")
    return 0


def add_unpack(verbs: Verbs) -> None:
    p = verbs.add(
        "unpack",
        "unpack a file of hgm pack into results/<run>",
        "hgm unpack views.zip --configfile config/hgm/single_gpu.yaml",
        _unpack,
    )
    p.add_argument("file", type=Path, metavar="FILE", help="a file of hgm pack")
    configured(p)


def _unpack(args: argparse.Namespace) -> int:
    from hgm.workflow.configuration import read_files
    from hgm.workflow.pack import unpack

    config = read_files(args.configfile)
    sys.stdout.write(f"results/{config.run}: {unpack(args.file, config)} people\n")
    return 0
