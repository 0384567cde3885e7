"""The `hgm` command. Every verb imports what it needs when it runs, so that `hgm --help` is quick."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hgm import __version__
from hgm.errors import InputError

Action = Callable[[argparse.Namespace], int]


def _config(args: argparse.Namespace) -> int:
    import json

    from hgm import config
    from hgm.runtime import atomic_write

    if args.check:
        config.load(args.check)
        sys.stdout.write(f"{args.check}: fine\n")
        return 0
    files = {"config.yaml": config.to_yaml(), "docs/config.md": config.to_markdown(),
             "config/schema.json": json.dumps(config.to_schema(), indent=1) + "\n"}
    if not args.write:
        sys.stdout.write(files["config.yaml"])
        return 0
    for name, text in files.items():
        with atomic_write(name, "w") as file:
            file.write(text)
    return 0


def _standin(args: argparse.Namespace) -> int:
    from hgm.catalogue import parse_ids
    from hgm.standin import make_chunk
    from hgm.standin.core import write_models

    write_models(args.out / "models")
    make_chunk(args.out, map(int, parse_ids(args.ids, "--ids")), args.texture)
    sys.stdout.write(f"{args.out}: stand-in humans {args.ids} in THuman2.0's layout\n")
    return 0


def _export_views(args: argparse.Namespace) -> int:
    from hgm.scans.multiview import export_views

    for folder in args.folders:
        export_views(folder, args.out, folder.name)
    sys.stdout.write(f"{args.out}: {len(args.folders)} scans in img, mask, parm, depth and smplx\n")
    return 0


def _replay(args: argparse.Namespace) -> int:
    import subprocess

    from hgm.job import load_job

    job = load_job(args.job)
    script = Path(__file__).resolve().parent.parent / "scripts" / f"{job.rule}.py"
    return subprocess.run([sys.executable, str(script), str(args.job)]).returncode


def _reconstruct(args: argparse.Namespace) -> int:
    from hgm.stages.photos import reconstruct_photos

    done, failed = reconstruct_photos(args.images, args.run, args.out, bodies=args.body, device=args.device)
    for name, reason in failed.items():
        sys.stderr.write(f"error: {name}: {reason}\n")
    sys.stdout.write(f"{args.out}: {done} reconstructed, {len(failed)} failed\n")
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    """All verbs with their help and an example each."""
    top = argparse.ArgumentParser(prog="hgm", description="HGM: generalizable human Gaussians from a single view.")
    top.add_argument("--version", action="version", version=f"hgm {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, example: str, action: Action) -> argparse.ArgumentParser:
        p = verbs.add_parser(name, help=text, description=text, epilog=f"example: {example}")
        p.set_defaults(action=action)
        return p

    p = verb("reconstruct", "photos to Gaussians, with the networks of a finished run",
             "hgm reconstruct photo.png --body smplx.npz --run results/demo --out mine", _reconstruct)
    p.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="picture of one person on transparency or white")
    p.add_argument("--run", type=Path, required=True, help="folder of a finished run, results/<run>")
    p.add_argument("--out", type=Path, required=True, help="folder for the results, one folder a photo")
    p.add_argument("--body", type=Path, action="append", default=[], help="first SMPL-X of each photo (smplx.npz), in order")
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")

    p = verb("standin", "make free stand-in humans in THuman2.0's layout", "hgm standin --ids 0000-0003 --out scans", _standin)
    p.add_argument("--ids", default="0000-0003", help="ids and ranges; the id is the seed")
    p.add_argument("--out", type=Path, required=True, help="folder for the scans, the fits and the body model")
    p.add_argument("--texture", type=int, default=2048, help="edge of the texture in pixels")

    p = verb("export-views", "view folders to the layout of GPS-Gaussian and HGM's release (docs/data-sets.md)",
             "hgm export-views results/demo/views/test000/05* --out shared", _export_views)
    p.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="view folder of a scan, views/<chunk>/<scan>")
    p.add_argument("--out", type=Path, required=True, help="folder for img, mask, parm, depth and smplx")

    p = verb("replay", "do one job of a run again, without Snakemake",
             "hgm replay results/demo/logs/render/train000.job.json", _replay)
    p.add_argument("job", type=Path, help="a .job.json beside a job's log")

    p = verb("config", "print the default configuration, check a file or write the generated files",
             "hgm config --check config/tiny.yaml", _config)
    p.add_argument("--check", type=Path, help="a YAML file to validate")
    p.add_argument("--write", action="store_true", help="write config.yaml, config/schema.json and docs/config.md")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 is success, 1 a failure told in one line, 2 wrong usage."""
    top = parser()
    args = top.parse_args(argv)
    try:
        return args.action(args)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
