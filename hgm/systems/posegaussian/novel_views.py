"""What the network makes of one pair: Gaussians, and pictures and a film from between the
cameras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.manifests import write_json
from hgm.gaussians import Gaussians
from hgm.images.video import write_video
from hgm.images.views import save_image, save_png, to_bytes
from hgm.splat import backend_for, render
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.between import evenly
from hgm.systems.posegaussian.disparity import (
    disparity_errors,
    disparity_picture,
    disparity_range,
    true_inverse_depth,
)
from hgm.systems.posegaussian.network import PoseGaussian
from hgm.systems.posegaussian.pair import LEFT, RectifiedPair
from hgm.systems.posegaussian.points import points_of
from hgm.systems.posegaussian.settings import Between

GAUSSIANS = "gaussians.ply"
POINTS = "points.ply"  # round Gaussians at the predicted depth
DISPARITY = "disparity.png"  # of the left view
TRUE_DISPARITY = "disparity_truth.png"  # in the same colors
FILM = "between.mp4"
MATCHING = "matching.json"  # how far the disparity is off, and how much was made
BLACK = (0.0, 0.0, 0.0)


def novel_file(folder: Path, view: int) -> Path:
    """The picture of a view."""
    return folder / f"novel_{view}.png"


@dataclass(frozen=True)
class Prediction:
    """What the network says about one pair, on its device."""

    batch: StereoBatch  # of this pair alone
    flow: Tensor  # [2, 1, S, S], pixels
    inverse_depth: Tensor  # [2, 1, S, S] in 1/m, 0 outside of the person
    gaussians: Gaussians  # [N], of both views
    points: Gaussians  # [N], round ones at the same depth


@torch.no_grad()
def predict(network: PoseGaussian, pair: RectifiedPair) -> Prediction:
    """The Gaussians of a pair."""
    device = next(network.parameters()).device
    batch = StereoBatch.of([pair], device)
    matching = network(batch)
    maps = network.maps(batch, matching)
    [gaussians], [points] = network.gaussians(batch, maps), points_of(batch, maps.inverse_depth)
    return Prediction(batch, matching.flows[-1], maps.inverse_depth, gaussians, points)


@torch.no_grad()
def pictures_of(
    gaussians: Gaussians, cameras: Sequence[Cameras] | Cameras, *, backend: str
) -> Iterator[Tensor]:
    """A picture [3, H, W] in 0-1 over black for each camera, one after the other: a list of [1], or
    cameras [n]."""
    backend = backend_for(backend, gaussians.means.device)
    each = (
        [cameras[i : i + 1] for i in range(len(cameras))]
        if isinstance(cameras, Cameras)
        else cameras
    )
    for camera in each:
        shown = render(gaussians, camera.to(gaussians.means), backend=backend, background=BLACK)
        yield shown.rgb[0].clamp(0, 1)


def show_pair(
    network: PoseGaussian,
    pair: RectifiedPair,
    views: Mapping[int, Cameras],
    out: Path,
    *,
    settings: Between,
    backend: str = "auto",
) -> dict[str, Any]:
    """Write a pair's Gaussians and points, its disparity (and the true one, where it is known), a
    picture for each of the views' cameras [1], a film from the left camera to the right one at
    twice the pair's size, and matching.json, which is returned."""
    found = predict(network, pair)
    found.gaussians.save_ply(out / GAUSSIANS)
    found.points.save_ply(out / POINTS)
    pictures = pictures_of(found.gaussians, list(views.values()), backend=backend)
    for view, picture in zip(views, pictures, strict=True):
        save_image(novel_file(out, view), picture)
    way = evenly(pair.source_cameras, settings.frames).resized(2 * pair.size)
    film = pictures_of(found.gaussians, way, backend=backend)
    write_video(out / FILM, map(to_bytes, film), fps=settings.fps)
    save_disparity(found, out)
    record: dict[str, Any] = {
        "gaussians": len(found.gaussians),
        "points": len(found.points),
        "disparity": None,
    }
    batch = found.batch
    if batch.flow is not None and batch.valid is not None:
        record["disparity"] = disparity_errors(found.flow, batch.flow, batch.valid)
    write_json(out / MATCHING, record)
    return record


def save_disparity(found: Prediction, out: Path) -> None:
    """Write the left view's disparity as a picture; beside the true one, in its range, where that
    is known."""
    batch, shown = found.batch, found.inverse_depth.float()
    limits = disparity_range(shown)
    if batch.flow is not None:
        truth = true_inverse_depth(batch)
        limits = disparity_range(truth)
        save_png(out / TRUE_DISPARITY, disparity_picture(truth[LEFT, 0], limits))
    save_png(out / DISPARITY, disparity_picture(shown[LEFT, 0], limits))
