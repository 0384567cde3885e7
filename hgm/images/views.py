"""The rendered views of one scan as a folder: `rgb_00.png … mask_00.png … depth_00.png …
normal_00.png … cameras.json`.

rgb: 8-bit sRGB, composited over white. mask: 8-bit coverage. depth: 16-bit planar z in units of
DEPTH_UNIT, 0 where nothing was hit. normal: 8-bit world-space unit normal, (n + 1) / 2. `smplx.npz`
beside them holds the body in the same frame. Photos have neither depth nor normal.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hgm.cameras import Cameras
from hgm.core.files import atomic_write
from hgm.errors import InputError

DEPTH_UNIT = 4.0 / 65536.0  # normalized units per step of a 16-bit depth image: 0 … 4
PLAIN = ("L", "RGB", "RGBA", "I;16", "I")  # kinds of pictures whose numbers are taken as they are
CHANNELS = {"rgb": 3, "mask": 1, "depth": 1, "normal": 3}


@dataclass(frozen=True)
class Views:
    """V views of one scan. Images are float32 in [0, 1]; depth is planar z in normalized units, 0 =
    nothing hit."""

    rgb: Tensor  # [V, 3, H, W], over white
    mask: Tensor  # [V, 1, H, W]
    cameras: Cameras  # [V]
    depth: Tensor | None = None  # [V, 1, H, W]
    normal: Tensor | None = None  # [V, 3, H, W], world space, unit length inside the mask

    def __len__(self) -> int:
        return len(self.cameras)


def view_path(folder: str | Path, kind: str, index: int) -> Path:
    return Path(folder) / f"{kind}_{index:02d}.png"


def png_bytes(image: np.ndarray) -> bytes:
    """PNG of uint8 [H, W], [H, W, 3] or uint16 [H, W]; the bytes depend on the pixels only."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def save_png(path: str | Path, image: np.ndarray) -> None:
    with atomic_write(path) as file:
        file.write(png_bytes(image))


def to_bytes(image: Tensor) -> np.ndarray:
    """Float image [C, H, W] in [0, 1] -> uint8 [H, W, C] ([H, W] for one channel), rounded."""
    array = (image.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    return array[..., 0] if array.shape[-1] == 1 else array


def save_image(path: str | Path, image: Tensor) -> None:
    """Write a float image [C, H, W] in [0, 1] as an 8-bit PNG."""
    save_png(path, to_bytes(image))


def load_image(path: str | Path) -> Tensor:
    """Read an image file as float32 [C, H, W] in [0, 1], C being 1, 3 or 4 (16-bit files as raw
    counts)."""
    try:
        with Image.open(path) as file:
            if file.mode in PLAIN:
                array = np.asarray(file)
            else:  # palettes, bitmaps, gray with alpha, CMYK …
                array = np.asarray(
                    file.convert(
                        "RGBA" if file.has_transparency_data else "RGB" if file.mode != "1" else "L"
                    )
                )
    except Exception as error:  # a damaged file can raise anything from the decoder
        raise InputError(f"{path}: not a readable image ({error})") from None
    if array.dtype == np.uint8:
        image = torch.from_numpy(array.astype(np.float32) / 255.0)
    else:
        image = torch.from_numpy(array.astype(np.float32))
    return image[None] if image.ndim == 2 else image.movedim(-1, 0).contiguous()


def load_picture(folder: str | Path, kind: str, index: int, height: int, width: int) -> Tensor:
    """One picture of a view folder. Raises InputError for a missing or damaged file and for one of
    another size."""
    path = view_path(folder, kind, index)
    image = load_image(path)
    expected = (CHANNELS[kind], height, width)
    if image.shape != expected:
        raise InputError(
            f"{path}: is {list(image.shape)}, expected {list(expected)}; render this scan again"
        )
    return image


def save_view(
    folder: str | Path,
    index: int,
    *,
    rgb: np.ndarray,
    mask: np.ndarray,
    depth: np.ndarray | None = None,
    normal: np.ndarray | None = None,
) -> None:
    """Write one view: rgb uint8 [H, W, 3] over white, mask uint8 [H, W], depth [H, W] (0 = miss),
    normal [H, W, 3]."""
    save_png(view_path(folder, "rgb", index), rgb)
    save_png(view_path(folder, "mask", index), mask)
    if depth is not None:
        steps = np.rint(depth / DEPTH_UNIT)
        if steps.max() > 65535:
            raise InputError(
                f"{folder}: view {index} has a depth of {depth.max():.2f}, more than "
                f"{65535 * DEPTH_UNIT:.2f} units"
            )
        save_png(view_path(folder, "depth", index), steps.astype(np.uint16))
    if normal is not None:
        save_png(view_path(folder, "normal", index), np.rint((normal + 1) * 127.5).astype(np.uint8))


def save_cameras(folder: str | Path, cameras: Cameras) -> None:
    """Write cameras.json with every digit that a float64 needs."""
    exact = cameras.to(torch.float64)
    # a text of the format, spelled as it always was
    convention = "OpenCV world_to_camera, pixel centres at +0.5, planar depth"
    data = {"convention": convention, "depth_unit": DEPTH_UNIT, **exact.to_json()}
    with atomic_write(Path(folder) / "cameras.json", "w") as file:
        json.dump(data, file, indent=1, sort_keys=True)
        file.write("\n")


def load_cameras(folder: str | Path, dtype: torch.dtype = torch.float32) -> Cameras:
    """The cameras [V] of a view folder. Raises InputError for a missing or damaged file."""
    path = Path(folder) / "cameras.json"
    try:
        cameras = Cameras.from_json(json.loads(path.read_text()), dtype)
    except (OSError, LookupError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(
            f"{path}: cannot read the cameras ({error}); render this scan again"
        ) from None
    finite = bool(cameras.K.isfinite().all() and cameras.world_to_camera.isfinite().all())
    if (
        cameras.K.ndim != 3
        or not len(cameras)
        or not finite
        or min(cameras.width, cameras.height) < 1
    ):
        raise InputError(
            f"{path}: cannot read the cameras (no list of finite matrices, or an empty image); "
            "render this scan again"
        )
    return cameras


def load_views(
    folder: str | Path, indices: Sequence[int] | None = None, *, geometry: bool = False
) -> Views:
    """Read the named views (all by default) of one scan; with `geometry` also depth and normals.
    Raises InputError for a missing or damaged file and for images that are not of the cameras'
    size."""
    cameras = load_cameras(folder)
    indices = range(len(cameras)) if indices is None else indices

    def read(kind: str) -> Tensor:
        return torch.stack(
            [load_picture(folder, kind, i, cameras.height, cameras.width) for i in indices]
        )

    mask = read("mask")
    depth = read("depth") * DEPTH_UNIT if geometry else None
    normal = None
    if geometry:
        n = read("normal") * 2 - 1
        normal = torch.nn.functional.normalize(n, dim=1) * (mask > 0)
    return Views(read("rgb"), mask, cameras[list(indices)], depth, normal)


def resize(images: Tensor, size: int) -> Tensor:
    """[..., C, H, W] -> [..., C, size, size]: area when it shrinks by a whole factor, else
    bilinear."""
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    flat = images.reshape(-1, *images.shape[-3:])
    if height % size == 0 and width % size == 0:
        flat = F.interpolate(flat, (size, size), mode="area")
    else:
        flat = F.interpolate(
            flat, (size, size), mode="bilinear", align_corners=False, antialias=size < height
        )
    return flat.reshape(*images.shape[:-2], size, size)
