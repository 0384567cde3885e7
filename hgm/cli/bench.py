"""`hgm bench`: the time of every stage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs


def add_bench(verbs: Verbs) -> None:
    p = verbs.add(
        "bench",
        "time every stage on this machine, beside its floor and the plain way of doing the same",
        "hgm bench --preset small --only coarse fusion --out bench.json",
        _bench,
    )
    p.add_argument("--preset", default="small", help="sizes: tiny, small or paper")
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")
    p.add_argument("--precision", default="fp32", help="of the networks: fp32 or bf16")
    p.add_argument("--compile", action="store_true", help="torch.compile the networks")
    p.add_argument("--batch", type=int, help="samples of a training step; without it the preset's")
    p.add_argument(
        "--repeats",
        type=int,
        default=5,
        help="timed runs of each row; rows that take long get fewer",
    )
    p.add_argument(
        "--base",
        type=Path,
        help="Stable Diffusion 1.5 as a diffusers folder; without it random weights",
    )
    p.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="some of the stages")
    p.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers as JSON")


def _bench(args: argparse.Namespace) -> int:
    from hgm.bench.run import benchmark
    from hgm.bench.settings import Settings
    from hgm.core.runtime import select_device

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    settings = Settings(
        args.preset,
        select_device(args.device),
        args.precision,
        args.compile,
        args.batch,
        args.repeats,
        args.base,
    )
    benchmark(settings, args.only, out=args.out, write=write)
    return 0
