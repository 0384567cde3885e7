"""Measures a pair's pictures from between its cameras, and simple ways to make such pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.manifests import read_json, write_json
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.views import load_image
from hgm.metrics.definitions import subject_record
from hgm.metrics.images import WINDOW, crop, person_box, psnr, ssim
from hgm.metrics.lpips import LPIPS
from hgm.systems.posegaussian.baselines import copy_nearest, oracle
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.dataset import NovelView
from hgm.systems.posegaussian.novel_views import views_of
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.results import MATCHING, METRICS, POINTS, novel_file
from hgm.systems.posegaussian.samples import HALFWAY

MEASURES = ("psnr", "ssim", "lpips")
REGIONS = ("full", "person_box")
LPIPS_LEAST = 32  # pixels; of less the trunk leaves nothing
Errors = dict[str, float | None]


@torch.no_grad()
def picture_errors(prediction: Tensor, target: Tensor, lpips: LPIPS | None) -> Errors:
    """PSNR, SSIM and LPIPS of a picture [3, H, W] in 0-1; None where there is no such number."""
    pair = prediction[None].clamp(0, 1), target[None]
    least = min(target.shape[-2:])
    found = {
        "psnr": psnr(*pair) if least else None,
        "ssim": ssim(*pair)[0] if least >= WINDOW else None,
        "lpips": lpips(*pair)[0] if lpips is not None and least >= LPIPS_LEAST else None,
    }
    return {name: _finite(value) for name, value in found.items()}


def view_errors(prediction: Tensor, truth: NovelView, lpips: LPIPS | None) -> dict[str, Errors]:
    """Both protocols: `full`, the whole picture over black, and `person_box`, the box around the
    person's mask, in which black counts less (GPS-Gaussian's paper)."""
    box = person_box(truth.mask, margin=0.0)
    return {
        "full": picture_errors(prediction, truth.rgb, lpips),
        "person_box": picture_errors(crop(prediction, box), crop(truth.rgb, box), lpips),
    }


def row_of(
    predictions: Mapping[int, Tensor], truths: Mapping[int, NovelView], lpips: LPIPS | None
) -> dict[str, Any]:
    """What one way to make the views measures: `images`, region -> definition -> mean over the
    views, and `views`, each with its ratio. Regions that begin with `halfway` are of the view
    halfway alone, to which no photo is near; the other views are anywhere."""
    errors = {view: view_errors(predictions[view], truth, lpips) for view, truth in truths.items()}
    images = {
        f"{prefix}{region}": {"standard": {m: _mean(e[region][m] for e in some) for m in MEASURES}}
        for prefix, some in (
            ("", list(errors.values())),
            ("halfway_", [e for view, e in errors.items() if view == HALFWAY]),
        )
        for region in REGIONS
    }
    views = [
        {"view": view, "ratio": round(truth.ratio, 4), **errors[view]}
        for view, truth in truths.items()
    ]
    return {"images": images, "views": views}


@dataclass(frozen=True)
class Protocol:
    """How the pairs of a variant are measured."""

    variant: str
    standin: bool
    simple: bool  # measure also what is the same for every variant: nearest photo and true depth
    lpips: LPIPS | None = None
    backend: str = "auto"
    device: torch.device | str = "cpu"  # that of `lpips`


def evaluate_pair(
    folder: Path,
    pair: RectifiedPair,
    photos: Tensor,
    truths: Mapping[int, NovelView],
    protocol: Protocol,
) -> dict[str, Any]:
    """Measure the files that `show_pair` wrote to a pair's folder, on the protocol's device, and
    write metrics.json beside them; returns it.

    photos [2, 3, S, S]: of both cameras over black, before rectification, left first. Raises
    InputError for a picture that is missing, damaged or of another size.
    """
    backend, device = protocol.backend, protocol.device
    truths = {
        view: truth._replace(rgb=truth.rgb.to(device), mask=truth.mask.to(device))
        for view, truth in truths.items()
    }
    measured = {
        view: _written(folder, view, truth.camera).to(device) for view, truth in truths.items()
    }
    points = Gaussians.load_ply(folder / POINTS).to(device)
    others = {"warped_points": _splatted(points, truths, backend)}
    if protocol.simple:
        others["copy_nearest"] = {
            view: copy_nearest(photos.to(device), truth.ratio, truth.camera.width)
            for view, truth in truths.items()
        }
        if pair.flow is not None:
            [best] = oracle(StereoBatch.of([pair], device))
            others["oracle"] = _splatted(best, truths, backend)
    rows = {name: row_of(made, truths, protocol.lpips) for name, made in others.items()}
    row = row_of(measured, truths, protocol.lpips)
    record = {
        **subject_record(
            "posegaussian",
            folder.name,
            protocol.variant,
            standin=protocol.standin,
            images=row["images"],
        ),
        **read_json(folder / MATCHING),
        "views": row["views"],
        "baselines": rows,
    }
    write_json(folder / METRICS, record)
    return record


def _written(folder: Path, view: int, camera: Cameras) -> Tensor:
    path = novel_file(folder, view)
    picture = load_image(path)
    if picture.shape != (3, camera.height, camera.width):
        raise InputError(
            f"{path}: is {' x '.join(map(str, picture.shape[:0:-1]))} pixels, expected "
            f"{camera.width} x {camera.height}; delete it and run again"
        )
    return picture


def _splatted(
    gaussians: Gaussians, truths: Mapping[int, NovelView], backend: str
) -> dict[int, Tensor]:
    return {
        view: next(views_of(gaussians, truth.camera, backend=backend))
        for view, truth in truths.items()
    }


def _finite(value: Tensor | None) -> float | None:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None


def _mean(values: Iterable[float | None]) -> float | None:
    known: Sequence[float] = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
