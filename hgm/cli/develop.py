"""Verbs for developers: the configuration's files, and the time of every stage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.core.verbs import Verbs
from hgm.systems import DEFAULT, SYSTEMS, optional_part


def add_config(verbs: Verbs) -> None:
    p = verbs.add(
        "config",
        "print the demo's configuration, check files or write what is generated",
        "hgm config --check config/hgm/tiny.yaml",
        _config,
    )
    p.add_argument(
        "--check",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="YAML files to validate; the last one wins, as for --configfile",
    )
    p.add_argument(
        "--write",
        action="store_true",
        help="write what is generated from the code: config.yaml, config/schema, docs/config and "
        "docs/reference.md",
    )


def _config(args: argparse.Namespace) -> int:
    import json

    from hgm.cli import parser, reference
    from hgm.core.checkout import ROOT
    from hgm.core.files import atomic_write
    from hgm.workflow import config_text, configuration
    from hgm.workflow.plan import plan_for

    if args.check:
        # raises the errors that a run would raise before its first job
        plan = plan_for(configuration.read_files(args.check).model_dump(mode="json"))
        names = ", ".join(map(str, args.check))
        sys.stdout.write(f"{names}: fine, a configuration of system {plan.system}\n")
        return 0
    if not args.write:
        sys.stdout.write(configuration.demo_file(DEFAULT).read_text())
        return 0
    files = {ROOT / "docs/reference.md": reference.to_markdown(parser())}
    for system in SYSTEMS:
        file = configuration.demo_file(system)
        demo = configuration.read(file)
        configuration.parse({"system": system, **demo})
        schema = json.dumps(config_text.to_schema(system), indent=1) + "\n"
        files |= {
            file: config_text.to_yaml(system, demo),
            ROOT / f"docs/config/{system}.md": config_text.to_markdown(system, demo),
            ROOT / f"config/schema/{system}.json": schema,
        }
    for path, text in files.items():
        with atomic_write(path, "w") as written:
            written.write(text)
    return 0


def add_bench(verbs: Verbs) -> None:
    p = verbs.add(
        "bench",
        "time every stage on this machine, next to a lower bound and a plain implementation",
        "hgm bench --preset small --only coarse fusion --out bench.json",
        _bench,
    )
    p.add_argument(
        "--system", default=DEFAULT, choices=SYSTEMS, help="system to time the stages of"
    )
    p.add_argument("--preset", default="small", help="sizes: tiny, small or paper")
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")
    p.add_argument("--precision", default="fp32", help="of the networks: fp32 or bf16")
    p.add_argument("--compile", action="store_true", help="torch.compile the networks")
    p.add_argument("--batch", type=int, help="samples in a training step, by default the preset's")
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
    p.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="only these stages")
    p.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers as JSON")


def _bench(args: argparse.Namespace) -> int:
    from hgm.bench.run import benchmark
    from hgm.core.devices import select_device
    from hgm.errors import InputError

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    stages = optional_part(args.system, "bench.stages")
    if stages is None:
        raise InputError(f"--system: {args.system} has no stages that are timed")
    settings = stages.Settings(
        args.preset,
        select_device(args.device),
        args.precision,
        args.compile,
        args.batch,
        args.repeats,
        args.base,
    )
    benchmark(stages.bench(settings), args.only, out=args.out, write=write)
    return 0
