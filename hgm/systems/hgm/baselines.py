"""Results of other methods for the same test subjects, measured by the same code
(docs/baselines.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hgm.body.model import BodyModel
from hgm.core.keys import derived_seed, file_digest, key_of
from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import Views, load_views, save_cameras, save_image, view_path
from hgm.metrics.lpips import LPIPS
from hgm.metrics.surfaces import SurfaceMesh
from hgm.scans.thuman import ScanFiles
from hgm.systems.hgm.baseline_files import FRAME, MESHES, baseline_files
from hgm.systems.hgm.evaluation import image_metrics, surface_numbers, true_surface


def baseline_key(folder: Path, subject: str, *parts: Any) -> str:
    """Key of the files of a subject and of `parts`, whatever else decides its numbers. Raises
    InputError where the subject has no file."""
    files = baseline_files(folder, [subject])
    if not files:
        raise InputError(
            f"{folder / subject}: no results of this subject; expected novel_00.png … or "
            f"{MESHES[0]}"
        )
    return key_of([(p.name, file_digest(p)) for p in files], *parts)


def read_renders(folder: Path, seen: Viewpoints) -> Tensor | None:
    """Renders [V, 3, H, W] over white of the views of a data set, at their size; None where no
    render exists.

    Only the measured views are required; the others stay white. Alpha is composited over white.
    Renders of another size are resized, by area averaging where they shrink. Raises InputError for
    a measured view that is missing, and for one that is unreadable or not square.
    """
    paths = {i: path for i in range(len(seen)) if (path := view_path(folder, "novel", i)).is_file()}
    if not paths:
        return None
    size = seen.cameras.width
    needed = sorted({*seen.measured, seen.back})
    renders = torch.ones(len(seen), 3, size, size)
    for i in (*needed, *sorted(set(paths) - set(needed))):
        if i not in paths:
            raise InputError(
                f"{view_path(folder, 'novel', i)}: no such file; views "
                f"{', '.join(map(str, needed))} are measured"
            )
        renders[i] = _over_white(paths[i], size)
    return renders


def _over_white(path: Path, size: int) -> Tensor:
    try:
        with Image.open(path) as file:
            image = file.convert("RGBA")
    except Exception as error:  # a damaged file can raise anything from the decoder
        raise InputError(f"{path}: not a readable image ({error}); render it again") from None
    if image.width != image.height:
        raise InputError(
            f"{path}: is {image.width} x {image.height} pixels, expected a square view of the "
            "data set"
        )
    rgba = np.asarray(image, np.float32) / 255
    over = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
    if image.width != size:
        filter_ = Image.Resampling.BOX if size < image.width else Image.Resampling.BILINEAR
        over = np.stack(
            [
                np.asarray(Image.fromarray(over[..., c]).resize((size, size), filter_))
                for c in range(3)
            ],
            -1,
        )
    return torch.from_numpy(over.copy()).movedim(-1, 0)


def read_surface(folder: Path) -> SurfaceMesh | None:
    """The method's mesh in normalized units; None where there is none. Raises InputError for an
    unreadable mesh and for several meshes."""
    import trimesh

    paths = [path for name in MESHES if (path := folder / name).is_file()]
    if not paths:
        return None
    if len(paths) > 1:
        raise InputError(f"{folder}: {len(paths)} meshes, expected one of {', '.join(MESHES)}")
    try:
        loaded: Any = trimesh.load(paths[0], force="mesh", process=False)
        vertices = np.asarray(loaded.vertices, np.float64)
        faces = np.asarray(loaded.faces, np.int64)
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise ValueError("a face uses a vertex that is not there")
        mesh = SurfaceMesh(vertices, faces.reshape(-1, 3))
    except Exception as error:  # a damaged file can raise anything from its parser
        raise InputError(f"{paths[0]}: not a readable mesh ({error}); export it again") from None
    rotation, scale, translation = read_frame(folder / FRAME)
    return SurfaceMesh(scale * mesh.vertices @ rotation.T + translation, mesh.faces)


def read_frame(path: Path) -> tuple[np.ndarray, float, np.ndarray]:
    """Rotation [3, 3], scale and translation [3] with x = scale * rotation @ mesh + translation in
    normalized units. A key that the file leaves out is the identity, and so is everything without a
    file. Raises InputError for anything but a similarity transform."""
    data = read_json(path, "write it as docs/baselines.md says") if path.is_file() else {}
    known = ("rotation", "scale", "translation")
    if not isinstance(data, dict) or set(data) - set(known):
        raise InputError(f"{path}: expected an object with {', '.join(known)} at most")
    found = []
    for name, shape, default in zip(
        known, ((3, 3), (), (3,)), (np.eye(3), np.ones(()), np.zeros(3)), strict=True
    ):
        try:
            array = np.asarray(data.get(name, default), np.float64)
        except (TypeError, ValueError, OverflowError):
            array = np.zeros(0)
        if array.shape != shape or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} must hold {list(shape) or 'one'} finite numbers")
        found.append(array)
    rotation, scale, translation = found
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise InputError(
            f"{path}: rotation is not a rotation matrix; scales go into scale, mirrors are not "
            "allowed"
        )
    if scale <= 0:
        raise InputError(f"{path}: scale must be positive, got {float(scale):g}")
    return rotation, float(scale), translation


def measure_baseline(
    folder: Path,
    view_folder: Path,
    files: ScanFiles | None,
    model: BodyModel,
    out: Path,
    *,
    method: str,
    lpips: LPIPS | None,
    seed: int,
    surface_samples: int,
) -> dict[str, Any]:
    """metrics.json of one subject's results by another method; numbers for which it has no files
    are null. Writes the method's measured views, the true back view and their cameras to `out`.
    Raises InputError for results that cannot be read."""
    truth = load_views(view_folder)
    seen = Viewpoints.of(truth.cameras, view_folder)
    renders = read_renders(folder, seen)
    mesh = read_surface(folder)
    views, back = (None, None) if renders is None else _images(renders, truth, seen, out, lpips)
    surface = true_surface(files, model) if files is not None and mesh is not None else None
    return {
        "subject": view_folder.name,
        "variant": method,
        "views": views,
        "back": back,
        "geometry": surface_numbers(
            mesh, surface, surface_samples, derived_seed(seed, view_folder.name) % 2**32
        ),
    }


def _images(
    renders: Tensor, truth: Views, seen: Viewpoints, out: Path, lpips: LPIPS | None
) -> tuple[Any, Any]:
    save_cameras(out, seen.cameras)
    for i in {*seen.measured, seen.back}:
        save_image(view_path(out, "novel", i), renders[i])
    save_image(view_path(out, "truth", seen.back), truth.rgb[seen.back])
    return image_metrics(renders, truth, seen, lpips)
