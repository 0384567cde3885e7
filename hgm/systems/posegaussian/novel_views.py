"""What the network makes of one pair: Gaussians, and pictures and a film from between the
cameras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.manifests import write_json
from hgm.gaussians import Gaussians
from hgm.images.video import write_video
from hgm.images.views import save_image, save_png, to_bytes
from hgm.splat import backend_for
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.between import between, evenly
from hgm.systems.posegaussian.disparity import (
    disparity_errors,
    disparity_picture,
    disparity_range,
    true_inverse_depth,
)
from hgm.systems.posegaussian.network import PoseGaussian
from hgm.systems.posegaussian.pair import LEFT, RectifiedPair
from hgm.systems.posegaussian.pictures import pictures_of
from hgm.systems.posegaussian.points import points_of
from hgm.systems.posegaussian.results import (
    DISPARITY,
    FILM,
    GAUSSIANS,
    MATCHING,
    POINTS,
    TRUE_DISPARITY,
    novel_file,
)
from hgm.systems.posegaussian.samples import HALFWAY
from hgm.systems.posegaussian.settings import Between
from hgm.systems.posegaussian.upright import turned_gaussians, turned_pair, upright_turn


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
    """What the network says about a pair, in the pair's own world, whichever way that has y."""
    device = next(network.parameters()).device
    turn = upright_turn(pair)
    batch = StereoBatch.of([turned_pair(pair, turn)], device)
    matching = network(batch)
    maps = network.maps(batch, matching)
    [gaussians], [points] = network.gaussians(batch, maps), points_of(batch, maps.inverse_depth)
    if not np.array_equal(turn, np.eye(3)):
        gaussians, points = (turned_gaussians(g, turn.T) for g in (gaussians, points))
        batch = StereoBatch.of([pair], device)
    return Prediction(batch, matching.flows[-1], maps.inverse_depth, gaussians, points)


@torch.no_grad()
def views_of(gaussians: Gaussians, cameras: Cameras, *, backend: str) -> Iterator[Tensor]:
    """A picture [3, H, W] in 0-1 over black for each of the cameras [n], one after the other."""
    backend = backend_for(backend, gaussians.means.device)
    for i in range(len(cameras)):
        camera = cameras[i : i + 1].to(gaussians.means)
        yield pictures_of([gaussians], camera, backend=backend)[0].clamp(0, 1)


def show_pair(
    network: PoseGaussian,
    pair: RectifiedPair,
    views: Mapping[int, Cameras],
    out: Path,
    *,
    settings: Between,
    backend: str = "auto",
) -> Prediction:
    """Write a pair's Gaussians and points, its disparity (and the true one, where it is known), a
    picture for each of the views' cameras [1], a film from the left camera to the right one at
    twice the pair's size, and matching.json: the numbers of Gaussians, and how far the disparity is
    off, None where that is not known."""
    found = predict(network, pair)
    found.gaussians.save_ply(out / GAUSSIANS)
    found.points.save_ply(out / POINTS)
    for view, camera in views.items():
        [picture] = views_of(found.gaussians, camera, backend=backend)
        save_image(novel_file(out, view), picture)
    way = evenly(pair.source_cameras, settings.frames).resized(2 * pair.size)
    film = views_of(found.gaussians, way, backend=backend)
    write_video(out / FILM, map(to_bytes, film), fps=settings.fps)
    save_disparity(found, out)
    batch = found.batch
    errors = None
    if batch.flow is not None and batch.valid is not None:
        errors = disparity_errors(found.flow, batch.flow, batch.valid)
    write_json(out / MATCHING, {"gaussians": len(found.gaussians), "disparity": errors})
    return found


def halfway(pair: RectifiedPair) -> dict[int, Cameras]:
    """The view to show of photos between which nobody took another one, by its number."""
    return {HALFWAY: between(pair.source_cameras, [0.5]).resized(2 * pair.size)}


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
