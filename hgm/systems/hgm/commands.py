"""The verbs that HGM adds to the `hgm` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgm.core.verbs import Verbs
from hgm.errors import InputError
from hgm.systems.hgm.variants import VARIANTS

if TYPE_CHECKING:
    from hgm.core.run_folder import RunFolder
    from hgm.systems.hgm.pipeline.equipment import SpareBody


def add_reconstruct(verbs: Verbs) -> None:
    p = verbs.add(
        "reconstruct",
        "reconstruct photos as Gaussians, with the starter weights or the networks of a finished "
        "run",
        "hgm reconstruct photo.jpg --out mine",
        _reconstruct,
    )
    p.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="PHOTO",
        help="photos and folders of photos (docs/photos.md)",
    )
    p.add_argument(
        "--run",
        type=Path,
        help="folder of a finished run, results/<run>, or of exported weights; without it the "
        "starter weights",
    )
    p.add_argument(
        "--out", type=Path, required=True, help="folder for the results, one folder a photo"
    )
    p.add_argument(
        "--body",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="first SMPL-X of each photo (docs/estimators.md), in order; else <photo>.npz beside "
        "it, the run's estimator, or landmarks of the photo",
    )
    p.add_argument(
        "--mask",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="mask of each photo, in order; else <photo>_mask.png beside it",
    )
    p.add_argument(
        "--variant",
        choices=tuple(VARIANTS),
        default="full",
        help="networks and steps",
    )
    p.add_argument(
        "--mesh", action=argparse.BooleanOptionalAction, default=True, help="also extract the mesh"
    )
    p.add_argument("--device", default="auto", help="cpu, cuda or auto")


def _reconstruct(args: argparse.Namespace) -> int:
    from hgm.core.processes import use_all_cores
    from hgm.systems.hgm.stage_times import StageTimes

    times = StageTimes()
    with times.measured("libraries"):
        use_all_cores()
        from hgm.body.estimators.programs import PROGRAMS
        from hgm.core.progress import Progress
        from hgm.images.photos.sources import find_photos
        from hgm.systems.hgm.estimators import estimate_photos
        from hgm.systems.hgm.photos import PhotoPipeline, reconstruct_photos
        from hgm.systems.hgm.pipeline.equipment import Equipment
        from hgm.systems.hgm.report.photos import write_photo_page
        from hgm.systems.hgm.run_folder import HGMFolder
        from hgm.systems.hgm.starter import shipped_run

    photos = find_photos(args.images, masks=args.mask, bodies=args.body)
    folder = shipped_run() if args.run is None else args.run
    with times.measured("networks"), Progress(f"reading the networks of {folder}"):
        config = finished_hgm(folder)
        run = HGMFolder(folder)
        networks = run.networks(VARIANTS[args.variant])
        spare = _spare_body(config["scans"], run)
        equipment = Equipment.of(
            config, networks, run, args.variant, device=args.device, spare_body=spare
        )
        pipeline = PhotoPipeline.of(equipment, mesh=args.mesh)
    source = equipment.variant.source(config["estimate"])
    if pipeline.refine is not None and source in PROGRAMS:
        with times.measured(source):
            photos = estimate_photos(
                photos, source, config["estimate"], args.out, device=equipment.device
            )
    outcome = reconstruct_photos(photos, pipeline, args.out)
    times.add(outcome.seconds)
    with times.measured("page"):
        words = "the starter weights" if args.run is None else f"the networks of {args.run}"
        page = write_photo_page(args.out, outcome.done, outcome.failed, config, networks=words)
    for path, notes in outcome.notes.items():
        for note in notes:
            sys.stderr.write(f"warning: {path}: {note}\n")
    for path, reason in outcome.failed.items():
        sys.stderr.write(f"error: {reason if path in reason else f'{path}: {reason}'}\n")
    sys.stdout.write(
        f"{times.table()}"
        f"{args.out}: {len(outcome.done)} reconstructed, {len(outcome.failed)} failed\n"
        f"Open {page}\n"
    )
    return 1 if outcome.failed else 0


def _spare_body(scans: Mapping[str, Any], run: RunFolder) -> SpareBody | None:
    """The stand-ins' body, where networks were passed on without the rest of their run."""
    from hgm.body.model import BodyModel
    from hgm.core.keys import file_digest
    from hgm.scans.data_source import STANDIN, body_model_file
    from hgm.standin.body import core
    from hgm.systems.hgm.pipeline.equipment import SpareBody

    ours = scans["source"] == STANDIN and scans["models"] is None
    if not ours or body_model_file(scans, run).is_file():
        return None
    gender = scans["gender"]
    return SpareBody(lambda: BodyModel(core.model(gender), gender=gender), file_digest(core.ASSET))


def add_import_weights(verbs: Verbs) -> None:
    p = verbs.add(
        "import-weights",
        "convert a published LGM or HGM checkpoint to a model folder",
        "hgm import-weights model_fp16_fixrot.safetensors --out lgm",
        _import_weights,
    )
    p.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="LGM's big model or the released HGM: .safetensors or .pth, .pt, .ckpt",
    )
    p.add_argument(
        "--out", type=Path, required=True, help="folder for weights.safetensors and model.json"
    )
    p.add_argument(
        "--views", type=int, default=1, help="input views of the model: 1 (coarse) or 2 (fusion)"
    )


def _import_weights(args: argparse.Namespace) -> int:
    from hgm.systems.hgm.networks.config import HGMConfig
    from hgm.systems.hgm.networks.imports import import_weights, summary

    model, adopted = import_weights(args.file, args.out, HGMConfig.paper(args.views))
    for line in (
        f"{args.file}: a checkpoint of {adopted.kind.title}",
        *summary(model, adopted),
        f"{args.out}: written",
    ):
        sys.stdout.write(f"{line}\n")
    return 0


def add_export_weights(verbs: Verbs) -> None:
    p = verbs.add(
        "export-weights",
        "write the networks of a finished run as a small folder, which reconstruct and init take",
        "hgm export-weights --run results/demo --out weights",
        _export_weights,
    )
    p.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    p.add_argument(
        "--out", type=Path, required=True, help="folder for the networks; its files are replaced"
    )
    p.add_argument(
        "--most", type=float, metavar="MB", help="refuse to write more than so many megabytes"
    )


def _export_weights(args: argparse.Namespace) -> int:
    from hgm.systems.hgm.weight_export import MB, export_weights

    finished_hgm(args.run)
    exported = export_weights(args.run, args.out, most=args.most)
    for name, size in exported.networks.items():
        sys.stdout.write(f"{size / MB:8.2f} MB  {name}\n")
    sys.stdout.write(f"{args.out}: {exported.total / MB:.2f} MB written\n")
    return 0


def finished_hgm(run: Path) -> dict[str, Any]:
    """The configuration of a finished run of HGM. Raises InputError for any other folder."""
    from hgm.workflow.finished import finished_config

    config = finished_config(run)
    if config["system"] != "hgm":
        raise InputError(f"--run: {run} is a run of system {config['system']}; expected one of hgm")
    return config


VERBS = (add_reconstruct, add_import_weights, add_export_weights)
