"""Views that a data set brings along: photos or renders with cameras, masks and a body, instead of
a scan to render."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from hgm.body.canonical import CanonicalBody
from hgm.body.parameters import BodyParameters, numbers_of
from hgm.cameras import Cameras
from hgm.core.files import atomic_folder
from hgm.core.keys import file_digest
from hgm.core.npz import read_npz
from hgm.errors import InputError, ScanError
from hgm.images.views import save_cameras, save_view
from hgm.scans.check import SIDES, check_views
from hgm.scans.silhouettes import small

KEY_FILE = "key.json"
STEP = 0.1  # normalized units; neighboring depths farther apart belong to different surfaces


@dataclass(frozen=True)
class Picture:
    """One view at the size of its file."""

    rgb: np.ndarray  # [H, W, 3] uint8 over white
    mask: np.ndarray  # [H, W] uint8 coverage
    depth: np.ndarray | None = None  # [H, W] float32 planar z in normalized units, 0 = nothing hit


@dataclass(frozen=True)
class PlacedBody:
    """A person's body in normalized units, pelvis at the origin, facing +z, and its parameters."""

    params: BodyParameters  # unbatched
    body: CanonicalBody  # unbatched

    def save(self, path: Path) -> None:
        canonical = self.params.replace(global_orient=torch.zeros_like(self.params.global_orient))
        canonical.save_npz(
            path,
            vertices=self.body.vertices.numpy(),
            joints=self.body.joints.numpy(),
            nu_per_metre=np.float64(self.body.nu_per_metre),
        )

    @classmethod
    def load(cls, path: Path) -> PlacedBody:
        """Read the `smplx.npz` of a view folder. Raises InputError."""
        params = BodyParameters.from_npz(path)
        shapes: dict[str, tuple[int, ...]] = {
            "vertices": (10475, 3),
            "joints": (55, 3),
            "nu_per_metre": (),
        }
        found = read_npz(path, shapes)
        for key, shape in shapes.items():
            numbers = numbers_of(found[key], f"{path}: {key}") if key in found else np.zeros(0)
            if numbers.shape != shape or not np.isfinite(numbers.astype(np.float32)).all():
                raise InputError(
                    f"{path}: {key} is missing or not {shape} finite numbers; expected the body "
                    "of a view folder"
                )
        vertices, joints, meter = (
            torch.from_numpy(np.asarray(found[k], np.float32)) for k in shapes
        )
        return cls(params, CanonicalBody(vertices, joints, meter))


class GivenViews(Protocol):
    """The views of one person; pictures are read one at a time."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> Path:
        """The folder or file that messages name."""

    @property
    def cameras(self) -> Cameras:
        """[V] float64, in normalized units; square images."""

    @property
    def placed(self) -> PlacedBody: ...

    @property
    def has_depth(self) -> bool:
        """Whether every picture has a depth image; else none has."""

    def files(self) -> list[Path]:
        """Everything that decides the views."""

    def picture(self, index: int) -> Picture: ...


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


def write_given(views: GivenViews, out: Path, *, size: int, key: str) -> None:
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
        views.placed.save(work / "smplx.npz")
        (work / KEY_FILE).write_text(json.dumps({"key": key}, indent=1) + "\n")


def check_given(views: GivenViews, faces: np.ndarray) -> None:
    """Raise InputError when a picture is unreadable or the body, of faces [20908, 3], is not the
    person in the views; SIDES views are looked at, spread over all of them."""
    cameras = small(views.cameras)
    chosen = [i * len(cameras) // SIDES for i in range(SIDES)]
    masks = []
    for i in chosen:
        mask = Image.fromarray(views.picture(i).mask).resize(
            (cameras.width, cameras.height), Image.Resampling.BOX
        )
        masks.append(np.asarray(mask) > 127)
        if not masks[-1].any():
            raise ScanError(f"{views.place}: nobody is in view {i}; its mask is empty")
    check_views(np.stack(masks), cameras[chosen], views.placed.body.vertices, faces, views.place)


def resized(picture: Picture, size: int) -> Picture:
    """The picture [H, W] at another size: area means for smaller colors and masks, the nearest
    depth."""
    filter_ = Image.Resampling.BOX if size < picture.mask.shape[0] else Image.Resampling.BILINEAR
    shape = (size, size)
    rgb, mask = (
        np.asarray(Image.fromarray(x).resize(shape, filter_)) for x in (picture.rgb, picture.mask)
    )
    if picture.depth is None:
        return Picture(rgb, mask)
    return Picture(
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
