"""`hgm pack` and `hgm unpack`: rendered views on their way to another machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs, configured


def add_pack(verbs: Verbs) -> None:
    p = verbs.add(
        "pack",
        "the rendered views of a run as one small file, to train on another machine",
        "hgm pack --configfile config/single_gpu.yaml --out views.zip",
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
        "put packed views in their place under results/<run>",
        "hgm unpack views.zip --configfile config/single_gpu.yaml",
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
