"""Verbs for a run's results: export for other programs, view in the browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from hgm.core.verbs import Verbs


def add_export_views(verbs: Verbs) -> None:
    p = verbs.add(
        "export-views",
        "convert view folders to the layout of GPS-Gaussian and HGM's release (docs/data-sets.md)",
        "hgm export-views results/demo/views/test000/05* --out shared",
        _export_views,
    )
    p.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="view folder of a scan, views/<chunk>/<scan>",
    )
    p.add_argument(
        "--out", type=Path, required=True, help="folder for img, mask, parm, depth and smplx"
    )


def _export_views(args: argparse.Namespace) -> int:
    from hgm.core.progress import Progress
    from hgm.scans.multiview import export_views

    with Progress("export-views", len(args.folders)) as progress:
        for folder in progress.each(args.folders, lambda f: f.name):
            export_views(folder, args.out, folder.name)
    sys.stdout.write(f"{args.out}: {len(args.folders)} scans in img, mask, parm, depth and smplx\n")
    return 0


def add_export(verbs: Verbs) -> None:
    p = verbs.add(
        "export",
        "write a result in the format of another program: Gaussians, mesh, picture or turntable "
        "(docs/export.md)",
        "hgm export results/demo/subjects/full/0505 --format spz --out person.spz",
        _export,
    )
    p.add_argument(
        "result",
        type=Path,
        metavar="RESULT",
        help="a subject's folder, or a file of Gaussians or of a mesh",
    )
    p.add_argument(
        "--format",
        choices=["ply", "spz", "splat", "compressed.ply", "glb", "obj", "mp4", "gif", "png"],
        help="format of the file, by default from the suffix of --out",
    )
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    p.add_argument(
        "--y-down", action="store_true", help="turn Gaussians for viewers whose y axis points down"
    )
    p.add_argument("--size", type=int, default=512, help="edge of pictures in pixels (512)")
    p.add_argument("--frames", type=int, default=72, help="pictures of a full turn (72)")
    p.add_argument("--fps", type=int, default=24, help="pictures a second (24)")
    p.add_argument(
        "--azimuth",
        type=float,
        default=0.0,
        help="azimuth of the first camera in degrees, 0 in front (0)",
    )
    p.add_argument(
        "--elevation", type=float, default=0.0, help="degrees of the camera above the pelvis (0)"
    )


def _export(args: argparse.Namespace) -> int:
    from hgm.export.formats import export_result
    from hgm.export.pictures import Turn
    from hgm.export.result import find_result

    turn = Turn(args.size, args.frames, args.fps, args.azimuth, args.elevation)
    name = export_result(
        find_result(args.result), args.out, args.format, turn=turn, down=args.y_down
    )
    sys.stdout.write(f"{args.out}: {name}, {args.out.stat().st_size / 1024:.0f} KiB\n")
    return 0


def add_view(verbs: Verbs) -> None:
    p = verbs.add(
        "view",
        "show a result in the browser: Gaussians, mesh, SMPL-X and the rig's cameras (needs viser)",
        "hgm view results/demo/subjects/full/0505",
        _view,
    )
    p.add_argument(
        "result", type=Path, metavar="RESULT", help="a subject's folder, or one file of it"
    )
    p.add_argument(
        "--run",
        type=Path,
        help="results/<run> whose body model has the faces of SMPL-X, for results outside a run",
    )
    p.add_argument(
        "--port",
        type=int,
        default=8080,
        help="port of the page (8080; the next free one where it is taken)",
    )
    p.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 lets other machines in (127.0.0.1)",
    )
    p.add_argument(
        "--shots", type=Path, default=Path("."), metavar="DIR", help="folder for screenshots (here)"
    )
    p.add_argument("--no-browser", action="store_true", help="print the address only")


def _view(args: argparse.Namespace) -> int:
    from hgm.core.progress import Progress
    from hgm.export.result import find_result
    from hgm.export.viewer.scene import load_scene
    from hgm.export.viewer.server import serve

    with Progress(f"reading {args.result}"):
        scene = load_scene(find_result(args.result), args.run)
    serve(scene, host=args.host, port=args.port, shots=args.shots, browser=not args.no_browser)
    return 0


def add_animate(verbs: Verbs) -> None:
    p = verbs.add(
        "animate",
        "film an avatar of a finished run, or a reconstructed person, as a motion drives it",
        "hgm animate results/demo/subjects/full/0505 --motion walk --out walk",
        _animate,
    )
    p.add_argument(
        "result",
        nargs="?",
        type=Path,
        metavar="RESULT",
        help="folder with gaussians.ply and smplx.npz, which are skinned; without it an avatar of "
        "--run is driven",
    )
    p.add_argument(
        "--run",
        type=Path,
        help="results/<run> with avatars, or, with RESULT outside of a run, that of its body model",
    )
    p.add_argument(
        "--motion",
        required=True,
        help="walk, wave, dance, squat, stretch or random of a body; another name that the run's "
        "system knows; or a file",
    )
    p.add_argument(
        "--view",
        help="camera: front, back, moving or free (a turn) about a body; front, orbit or own of a "
        "head; camera:NAME or cano (the canonical pose) of an avatar from many cameras (front)",
    )
    p.add_argument("--out", type=Path, required=True, help="folder for the film and the Gaussians")
    p.add_argument("--variant", help="avatar to drive; by default the first of the run")
    p.add_argument("--size", type=int, default=512, help="edge of the pictures in pixels (512)")
    p.add_argument("--frames", type=int, default=90, help="pictures of a made motion (90)")
    p.add_argument("--fps", type=int, help="pictures a second; by default the motion's own, or 30")
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")


def _animate(args: argparse.Namespace) -> int:
    from hgm.errors import InputError

    least = {"--frames": (args.frames, 1), "--size": (args.size, 16), "--fps": (args.fps, 1)}
    for name, (value, lowest) in least.items():
        if value is not None and value < lowest:
            raise InputError(f"{name}: {value}; expected {lowest} or more")
    chosen = {"size": args.size, "frames": args.frames, "fps": args.fps, "device": args.device}
    if args.view is not None:
        chosen["view"] = args.view
    if args.result is None:
        film, how = _driven(args, chosen), ""
    else:
        film, how = _skinned(args, chosen), ": skinned, not a learned avatar"
    sys.stdout.write(f"{film}: written{how}\n")
    return 0


def _skinned(args: argparse.Namespace, chosen: dict[str, Any]) -> Path:
    """The film of a reconstructed person."""
    from hgm.errors import InputError
    from hgm.export.animation import animate_result
    from hgm.export.result import find_result

    if args.variant is not None:
        raise InputError("--variant: belongs to an avatar of --run, not to a RESULT")
    return animate_result(find_result(args.result), args.motion, args.out, run=args.run, **chosen)


def _driven(args: argparse.Namespace, chosen: dict[str, Any]) -> Path:
    """The film of a run's avatar."""
    from hgm.errors import InputError
    from hgm.systems import optional_part
    from hgm.workflow.finished import finished_config

    if args.run is None:
        raise InputError(
            "animate: give a RESULT to move, as results/demo/subjects/full/0505, or with --run "
            "a run of avatars"
        )
    config = finished_config(args.run)
    performer = optional_part(config["system"], "animate")
    if performer is None:
        raise InputError(
            f"--run: {args.run} is a run of system {config['system']}, which makes no avatar that "
            "moves; give the folder of one of its people as RESULT"
        )
    film: Path = performer.animate(
        args.run, config, args.motion, args.out, variant=args.variant, **chosen
    )
    return film
