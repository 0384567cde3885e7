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

    from hgm import cli_text, config, config_text
    from hgm.runtime import atomic_write

    if args.check:
        config.load(args.check)
        sys.stdout.write(f"{args.check}: fine\n")
        return 0
    files = {"config.yaml": config_text.to_yaml(), "docs/config.md": config_text.to_markdown(),
             "docs/reference.md": cli_text.to_markdown(parser()),
             "config/schema.json": json.dumps(config_text.to_schema(), indent=1) + "\n"}
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


def _export(args: argparse.Namespace) -> int:
    from hgm.export.formats import export_result
    from hgm.export.pictures import Turn
    from hgm.result import find_result

    turn = Turn(args.size, args.frames, args.fps, args.azimuth, args.elevation)
    name = export_result(find_result(args.result), args.out, args.format, turn=turn, down=args.y_down)
    sys.stdout.write(f"{args.out}: {name}, {args.out.stat().st_size / 1024:.0f} KiB\n")
    return 0


def _view(args: argparse.Namespace) -> int:
    from hgm.result import find_result
    from hgm.viewer.scene import load_scene
    from hgm.viewer.server import serve

    serve(load_scene(find_result(args.result), args.run), host=args.host, port=args.port, shots=args.shots,
          browser=not args.no_browser)
    return 0


def _replay(args: argparse.Namespace) -> int:
    import subprocess

    from hgm.job import load_job

    job = load_job(args.job)
    script = Path(__file__).resolve().parent.parent / "scripts" / f"{job.rule}.py"
    return subprocess.run([sys.executable, str(script), str(args.job)]).returncode


def _reconstruct(args: argparse.Namespace) -> int:
    from hgm.photos.sources import find_photos
    from hgm.stages.finished import finished_config
    from hgm.stages.photos import Studio, reconstruct_photos

    photos = find_photos(args.images, masks=args.mask, bodies=args.body)
    studio = Studio.of(args.run, finished_config(args.run), args.variant, device=args.device, mesh=args.mesh)
    outcome = reconstruct_photos(photos, studio, args.out)
    for name, notes in outcome.notes.items():
        for note in notes:
            sys.stderr.write(f"warning: {name}: {note}\n")
    for name, reason in outcome.failed.items():
        sys.stderr.write(f"error: {reason if name in reason else f'{name}: {reason}'}\n")
    sys.stdout.write(f"{args.out}: {len(outcome.done)} reconstructed, {len(outcome.failed)} failed\n")
    return 1 if outcome.failed else 0


def _import_weights(args: argparse.Namespace) -> int:
    from hgm.nets import HGMConfig
    from hgm.nets.imports import import_weights, summary

    model, adopted = import_weights(args.file, args.out, HGMConfig.paper(args.views))
    for line in (f"{args.file}: a checkpoint of {adopted.kind.title}", *summary(model, adopted), f"{args.out}: written"):
        sys.stdout.write(f"{line}\n")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from hgm.assets import doctor, guide
    from hgm.assets.findings import table
    from hgm.config import read_files

    if args.markdown:
        sys.stdout.write(guide.to_markdown())
        return 0
    config = read_files(args.configfile)
    try:
        failed = doctor.fetch_free(config, args.fetch, args.into) if args.fetch is not None else {}
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on from here\n")
        return 130
    findings = doctor.examine(config)
    sys.stdout.write(table(findings))
    faults = [f.title for f in findings if f.fault]
    for name, reason in failed.items():
        sys.stderr.write(f"error: {name}: {reason}\n")
    if faults:
        sys.stderr.write(f"error: {len(faults)} of what run {config.run} needs is not there or not right: {', '.join(faults)}\n")
    return 1 if faults or failed else 0


def _pack(args: argparse.Namespace) -> int:
    from hgm.config import read_files
    from hgm.stages.transfer import pack

    people = pack(read_files(args.configfile), args.out)
    sys.stdout.write(f"{args.out}: {people} people, {args.out.stat().st_size / 2**20:.1f} MiB\n")
    return 0


def _unpack(args: argparse.Namespace) -> int:
    from hgm.config import read_files
    from hgm.stages.transfer import unpack

    config = read_files(args.configfile)
    sys.stdout.write(f"results/{config.run}: {unpack(args.file, config)} people\n")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from hgm.bench.run import benchmark
    from hgm.bench.settings import Settings
    from hgm.runtime import select_device

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    settings = Settings(args.preset, select_device(args.device), args.precision, args.compile, args.batch, args.repeats,
                        args.base)
    benchmark(settings, args.only, out=args.out, write=write)
    return 0


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


def _plan(args: argparse.Namespace) -> int:
    from hgm.config import read_files
    from hgm.control.forecast import forecast, read_figures, table
    from hgm.plan import Plan

    plan = Plan(read_files(args.configfile).model_dump(mode="json"))
    sys.stdout.write(table(forecast(plan, Path("results") / plan.config["run"], read_figures(args.results))))
    return 0


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


def parser() -> argparse.ArgumentParser:
    """All verbs with their help and an example each."""
    top = argparse.ArgumentParser(prog="hgm", description="HGM: generalizable human Gaussians from a single view.")
    top.add_argument("--version", action="version", version=f"hgm {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, example: str, action: Action) -> argparse.ArgumentParser:
        p = verbs.add_parser(name, help=text, description=text, epilog=f"example: {example}")
        p.set_defaults(action=action)
        return p

    def configured(p: argparse.ArgumentParser) -> None:
        p.add_argument("--configfile", nargs="+", type=Path, default=[], metavar="FILE",
                       help="as Snakemake's: presets on config.yaml")

    p = verb("reconstruct", "photos to Gaussians, with the networks of a finished run",
             "hgm reconstruct photo.png --body smplx.npz --run results/demo --out mine", _reconstruct)
    p.add_argument("images", nargs="+", type=Path, metavar="PHOTO", help="photos and folders of photos (docs/photos.md)")
    p.add_argument("--run", type=Path, required=True, help="folder of a finished run, results/<run>")
    p.add_argument("--out", type=Path, required=True, help="folder for the results, one folder a photo")
    p.add_argument("--body", type=Path, nargs="+", action="extend", default=[], metavar="FILE",
                   help="first SMPL-X of each photo (docs/estimators.md), in order; else <photo>.npz beside it")
    p.add_argument("--mask", type=Path, nargs="+", action="extend", default=[], metavar="FILE",
                   help="mask of each photo, in order; else <photo>_mask.png beside it")
    p.add_argument("--variant", choices=("full", "no_body", "no_refine", "one_view", "no_diffusion"), default="full",
                   help="networks and steps; no_body needs no SMPL-X")
    p.add_argument("--mesh", action="store_true", help="also extract the mesh")
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")

    p = verb("standin", "make free stand-in humans in THuman2.0's layout", "hgm standin --ids 0000-0003 --out scans", _standin)
    p.add_argument("--ids", default="0000-0003", help="ids and ranges; the id is the seed")
    p.add_argument("--out", type=Path, required=True, help="folder for the scans, the fits and the body model")
    p.add_argument("--texture", type=int, default=2048, help="edge of the texture in pixels")

    p = verb("import-weights", "turn a published LGM or HGM checkpoint into a model folder",
             "hgm import-weights model_fp16_fixrot.safetensors --out lgm", _import_weights)
    p.add_argument("file", type=Path, metavar="FILE", help="LGM's big model or the released HGM: .safetensors or .pth, .pt, .ckpt")
    p.add_argument("--out", type=Path, required=True, help="folder for weights.safetensors and model.json")
    p.add_argument("--views", type=int, default=1, help="input views of the model: 1 (coarse) or 2 (fusion)")

    p = verb("doctor", "check everything that a configuration needs, and fetch what is free",
             "hgm doctor --configfile config/thuman2.yaml", _doctor)
    configured(p)
    p.add_argument("--fetch", nargs="*", metavar="ASSET",
                   help="first download what the configuration needs, lacks and may be fetched freely, or the named assets")
    p.add_argument("--into", type=Path, default=Path("assets"), metavar="DIR", help="folder for downloads (assets)")
    p.add_argument("--markdown", action="store_true", help="print docs/data.md")

    p = verb("export-views", "view folders to the layout of GPS-Gaussian and HGM's release (docs/data-sets.md)",
             "hgm export-views results/demo/views/test000/05* --out shared", _export_views)
    p.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="view folder of a scan, views/<chunk>/<scan>")
    p.add_argument("--out", type=Path, required=True, help="folder for img, mask, parm, depth and smplx")

    p = verb("export", "a result in the format of another program: Gaussians, mesh, picture or turntable (docs/export.md)",
             "hgm export results/demo/subjects/full/0505 --format spz --out person.spz", _export)
    p.add_argument("result", type=Path, metavar="RESULT", help="a subject's folder, or a file of Gaussians or of a mesh")
    p.add_argument("--format", choices=["ply", "spz", "splat", "compressed.ply", "glb", "obj", "mp4", "gif", "png"],
                   help="by default what --out ends with")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    p.add_argument("--y-down", action="store_true", help="turn Gaussians for viewers that take y as down")
    p.add_argument("--size", type=int, default=512, help="edge of pictures in pixels (512)")
    p.add_argument("--frames", type=int, default=72, help="pictures of a whole turn (72)")
    p.add_argument("--fps", type=int, default=24, help="pictures a second (24)")
    p.add_argument("--azimuth", type=float, default=0.0, help="degrees of the first picture, 0 in front (0)")
    p.add_argument("--elevation", type=float, default=0.0, help="degrees above the pelvis (0)")

    p = verb("view", "a result in the browser: Gaussians, mesh, SMPL-X and the rig's cameras (needs viser)",
             "hgm view results/demo/subjects/full/0505", _view)
    p.add_argument("result", type=Path, metavar="RESULT", help="a subject's folder, or one file of it")
    p.add_argument("--run", type=Path, help="results/<run> whose body model has the faces of SMPL-X, for results outside a run")
    p.add_argument("--port", type=int, default=8080, help="of the page (8080; the next free one where it is taken)")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in (127.0.0.1)")
    p.add_argument("--shots", type=Path, default=Path("."), metavar="DIR", help="folder for screenshots (here)")
    p.add_argument("--no-browser", action="store_true", help="print the address only")

    p = verb("pack", "the rendered views of a run as one small file, to train on another machine",
             "hgm pack --configfile config/single_gpu.yaml --out views.zip", _pack)
    configured(p)
    p.add_argument("--out", type=Path, required=True, help="the file to write")

    p = verb("unpack", "put packed views in their place under results/<run>",
             "hgm unpack views.zip --configfile config/single_gpu.yaml", _unpack)
    p.add_argument("file", type=Path, metavar="FILE", help="a file of hgm pack")
    configured(p)

    p = verb("status", "where a run stands: jobs, steps, time left, what runs where, what failed and why",
             "hgm status --run results/demo --watch", _status)
    p.add_argument("--run", type=Path, help="folder of a run, results/<run>; without it that of the configuration")
    configured(p)
    p.add_argument("--watch", action="store_true", help="again and again, until the run is finished or Ctrl-C")
    p.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="pause of --watch")

    p = verb("plan", "jobs, hours and GPU-hours of a configuration before it starts, from the benchmarks of earlier runs",
             "hgm plan --configfile config/single_gpu.yaml", _plan)
    configured(p)
    p.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the earlier runs (results)")

    p = verb("prune", "delete what of a run can be made again and nothing needs any more; asks first",
             "hgm prune --run results/demo --dry-run", _prune)
    p.add_argument("stages", nargs="*", metavar="STAGE", help="only of these: coarse, fusion, …, standin, temporary")
    p.add_argument("--run", type=Path, required=True, help="folder of a run, results/<run>")
    p.add_argument("--dry-run", action="store_true", help="only say what would go")
    p.add_argument("--yes", action="store_true", help="do not ask")

    p = verb("replay", "do one job of a run again, without Snakemake",
             "hgm replay results/demo/logs/render/train000.job.json", _replay)
    p.add_argument("job", type=Path, help="a .job.json beside a job's log")

    p = verb("bench", "time every stage on this machine, beside its floor and the plain way of doing the same",
             "hgm bench --preset small --only coarse fusion --out bench.json", _bench)
    p.add_argument("--preset", default="small", help="sizes: tiny, small or paper")
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")
    p.add_argument("--precision", default="fp32", help="of the networks: fp32 or bf16")
    p.add_argument("--compile", action="store_true", help="torch.compile the networks")
    p.add_argument("--batch", type=int, help="samples of a training step; without it the preset's")
    p.add_argument("--repeats", type=int, default=5, help="timed runs of each row; rows that take long get fewer")
    p.add_argument("--base", type=Path, help="Stable Diffusion 1.5 as a diffusers folder; without it random weights")
    p.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="some of the stages")
    p.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers as JSON")

    p = verb("config", "print the default configuration, check a file or write the generated files",
             "hgm config --check config/tiny.yaml", _config)
    p.add_argument("--check", type=Path, help="a YAML file to validate")
    p.add_argument("--write", action="store_true", help="write config.yaml, config/schema.json, docs/config.md and docs/reference.md")
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
