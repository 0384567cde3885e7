"""`hgm view`: a result in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from hgm.cli.verbs import Verbs


def add_view(verbs: Verbs) -> None:
    p = verbs.add(
        "view",
        "a result in the browser: Gaussians, mesh, SMPL-X and the rig's cameras (needs viser)",
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
        help="of the page (8080; the next free one where it is taken)",
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
    from hgm.core.runtime import Progress
    from hgm.export.result import find_result
    from hgm.export.viewer.scene import load_scene
    from hgm.export.viewer.server import serve

    with Progress(f"reading {args.result}"):
        scene = load_scene(find_result(args.result), args.run)
    serve(scene, host=args.host, port=args.port, shots=args.shots, browser=not args.no_browser)
    return 0
