"""`hgm export` and `hgm export-views`: what other programs read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.cli.verbs import Verbs


def add_export_views(verbs: Verbs) -> None:
    p = verbs.add(
        "export-views",
        "view folders to the layout of GPS-Gaussian and HGM's release (docs/data-sets.md)",
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
    from hgm.core.runtime import Progress
    from hgm.scans.multiview import export_views

    with Progress("export-views", len(args.folders)) as progress:
        for folder in progress.each(args.folders, lambda f: f.name):
            export_views(folder, args.out, folder.name)
    sys.stdout.write(f"{args.out}: {len(args.folders)} scans in img, mask, parm, depth and smplx\n")
    return 0


def add_export(verbs: Verbs) -> None:
    p = verbs.add(
        "export",
        "a result in the format of another program: Gaussians, mesh, picture or turntable "
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
        help="by default what --out ends with",
    )
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    p.add_argument(
        "--y-down", action="store_true", help="turn Gaussians for viewers that take y as down"
    )
    p.add_argument("--size", type=int, default=512, help="edge of pictures in pixels (512)")
    p.add_argument("--frames", type=int, default=72, help="pictures of a whole turn (72)")
    p.add_argument("--fps", type=int, default=24, help="pictures a second (24)")
    p.add_argument(
        "--azimuth", type=float, default=0.0, help="degrees of the first picture, 0 in front (0)"
    )
    p.add_argument("--elevation", type=float, default=0.0, help="degrees above the pelvis (0)")


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
