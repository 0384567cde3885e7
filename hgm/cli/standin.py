"""`hgm standin`: free humans."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs


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
