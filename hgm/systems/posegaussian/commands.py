"""The verb that PoseGaussian adds to the `hgm` command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hgm.core.verbs import Verbs
from hgm.errors import InputError
from hgm.systems.posegaussian.variants import VARIANTS


def add_stereo(verbs: Verbs) -> None:
    p = verbs.add(
        "stereo",
        "make Gaussians of a person, and views between the cameras, from two calibrated photos",
        "hgm stereo left.jpg right.jpg --rig rig.json --run results/posegaussian --out mine",
        _stereo,
    )
    p.add_argument(
        "images",
        nargs=2,
        type=Path,
        metavar="PHOTO",
        help="photos of the left and of the right camera",
    )
    p.add_argument(
        "--rig",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON with K and world_to_camera of left and right (docs/posegaussian.md)",
    )
    p.add_argument(
        "--run", type=Path, required=True, help="folder of a finished run, results/<run>"
    )
    p.add_argument("--out", type=Path, required=True, help="folder for the results")
    p.add_argument(
        "--mask",
        type=Path,
        nargs=2,
        default=[],
        metavar="FILE",
        help="mask of each photo; else <photo>_mask.png beside it",
    )
    p.add_argument(
        "--keypoints",
        type=Path,
        nargs=2,
        default=[],
        metavar="FILE",
        help="MMPose's JSON file of each photo, for a network with heat maps; else one without",
    )
    p.add_argument("--variant", choices=tuple(VARIANTS), help="network; by default the run's first")
    p.add_argument(
        "--ratio",
        type=float,
        nargs="+",
        default=[0.5],
        metavar="R",
        help="where to look from, 0 at the left camera, 1 at the right one (0.5)",
    )
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")


def _stereo(args: argparse.Namespace) -> int:
    from hgm.core.devices import select_device
    from hgm.core.progress import Progress
    from hgm.images.photos.sources import find_photos
    from hgm.systems.posegaussian.rig_file import read_rig
    from hgm.systems.posegaussian.stereo import TrainedStereo, detected, read_pair, show_photos
    from hgm.workflow.finished import finished_config

    photos = find_photos(args.images, masks=args.mask)
    if len(photos) != 2:
        raise InputError(f"{len(photos)} photos; expected a left one and a right one")
    rig = read_rig(args.rig)
    points = [detected(*each) for each in zip(args.keypoints, photos, strict=bool(args.keypoints))]
    with Progress(f"reading the networks of {args.run}"):
        config = finished_config(args.run)
        if config["system"] != "posegaussian":
            raise InputError(
                f"--run: {args.run} is a run of system {config['system']}; expected one of "
                "posegaussian"
            )
        trained = TrainedStereo.of(
            args.run,
            config,
            args.variant,
            heat=bool(points),
            device=select_device(args.device),
        )
    pair, notes = read_pair(photos, rig, trained, points)
    for note in notes:
        sys.stderr.write(f"warning: {note}\n")
    show_photos(trained, pair, args.out, stem=photos[0].path.stem, ratios=args.ratio)
    way = "with" if trained.sees_heat else "without"
    sys.stdout.write(f"{args.out}: written, by the network {trained.variant}, {way} heat maps\n")
    return 0


VERBS = (add_stereo,)
