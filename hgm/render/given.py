"""The views that a data set brings along, written as view folders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hgm.cameras import Cameras
from hgm.core.files import atomic_folder
from hgm.core.keys import file_digest
from hgm.errors import ScanError
from hgm.images.views import save_cameras, save_view
from hgm.scans.given import GivenView, GivenViews

STEP = 0.1  # normalized units; neighboring depths farther apart belong to different surfaces


def given_key(views: GivenViews, size: int, common: str = "") -> str:
    """Hash of everything that decides a view folder: the files, the size and `common`. Raises
    ScanError."""
    digest = hashlib.sha256(json.dumps([common, size]).encode())
    for path in views.files():
        try:
            digest.update(f"\n{path.name} {file_digest(path)}".encode())
        except OSError as error:
            raise ScanError(
                f"{path}: cannot be read ({error.strerror}); {views.name} needs it"
            ) from None
    return digest.hexdigest()


def write_given(views: GivenViews, out: Path, *, size: int) -> None:
    """Write the views at `size` x `size` pixels with their body as the view folder `out`, at once
    or not at all.

    Normals come from the depth, where there is one. Raises InputError when a picture cannot be
    read.
    """
    cameras = views.cameras.resized(size)
    with atomic_folder(out) as work:
        for i in range(len(cameras)):
            picture = resized(views.picture(i), size)
            normal = None if picture.depth is None else normals_of(picture.depth, cameras[i])
            save_view(
                work, i, rgb=picture.rgb, mask=picture.mask, depth=picture.depth, normal=normal
            )
        save_cameras(work, cameras)
        views.placed_body.save(work / "smplx.npz")


def resized(picture: GivenView, size: int) -> GivenView:
    """The picture [H, W] at another size: area means for smaller colors and masks, the nearest
    depth."""
    filter_ = Image.Resampling.BOX if size < picture.mask.shape[0] else Image.Resampling.BILINEAR
    shape = (size, size)
    rgb, mask = (
        np.asarray(Image.fromarray(x).resize(shape, filter_)) for x in (picture.rgb, picture.mask)
    )
    if picture.depth is None:
        return GivenView(rgb, mask)
    return GivenView(
        rgb,
        mask,
        np.asarray(Image.fromarray(picture.depth).resize(shape, Image.Resampling.NEAREST)),
    )


def normals_of(depth: np.ndarray, camera: Cameras) -> np.ndarray:
    """World-space unit normals [H, W, 3] towards the camera of a depth image [H, W], 0 where
    nothing was hit.

    The two slopes at a pixel are taken to the nearer neighbor on each axis; a pixel without one
    faces the camera.
    """
    origins, rays = (x.double().movedim(0, -1).numpy() for x in camera.to(torch.float64).rays())
    forward = camera.world_to_camera[2, :3].double().numpy()
    hit = depth > 0
    points = origins + rays * (depth / (rays @ forward))[..., None]
    normal = np.cross(_slope(points, depth, hit, 1), _slope(points, depth, hit, 0))
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal = np.where(length > 1e-12, normal / np.maximum(length, 1e-12), -rays)
    normal *= np.where((normal * rays).sum(-1, keepdims=True) > 0, -1, 1)
    return normal * hit[..., None]


def _slope(points: np.ndarray, depth: np.ndarray, hit: np.ndarray, axis: int) -> np.ndarray:
    """The step [H, W, 3] from a pixel's point along an image axis, 0 where both neighbors are
    missing or far."""
    p, z, h = (np.moveaxis(x, axis, 0) for x in (points, depth, hit))
    step = np.diff(p, axis=0)
    gap = np.where(h[1:] & h[:-1], np.abs(np.diff(z, axis=0)), np.inf)
    far = np.full_like(gap[:1], np.inf)
    still = np.zeros_like(step[:1])
    ahead = np.concatenate([gap, far])
    behind = np.concatenate([far, gap])
    chosen = np.where(
        (ahead <= behind)[..., None], np.concatenate([step, still]), np.concatenate([still, step])
    )
    return np.moveaxis(
        np.where((np.minimum(ahead, behind) < STEP)[..., None], chosen, 0.0), 0, axis
    )
