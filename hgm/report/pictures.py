"""Pictures of the page: encoded once under the hash of their content, so that equal runs make equal
pages."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hgm.core.files import atomic_write

LOSSLESS_EDGE = 320  # pictures up to this size stay PNG; larger photographs become JPEG


@dataclass(frozen=True)
class Picture:
    """One picture of the page: its path relative to the page and its size in pixels."""

    path: str
    width: int
    height: int


class Assets:
    """The folder beside the page; names are hashes of the content."""

    def __init__(self, out: Path, folder: str = "assets") -> None:
        self.out = out
        self.folder = folder
        self.added: set[Path] = set()

    def add(self, data: bytes, suffix: str) -> str:
        """Store bytes and return the path relative to the page."""
        name = f"{self.folder}/{hashlib.sha256(data).hexdigest()[:16]}{suffix}"
        self.added.add(self.out / name)
        if not (self.out / name).is_file():
            with atomic_write(self.out / name) as file:
                file.write(data)
        return name

    def picture(self, image: np.ndarray) -> Picture:
        """Store uint8 [H, W, 3]."""
        buffer = io.BytesIO()
        height, width = image.shape[:2]
        if max(height, width) <= LOSSLESS_EDGE:
            Image.fromarray(image).save(buffer, "PNG")
            return Picture(self.add(buffer.getvalue(), ".png"), width, height)
        Image.fromarray(image).save(buffer, "JPEG", quality=90, subsampling=0, optimize=True)
        return Picture(self.add(buffer.getvalue(), ".jpg"), width, height)

    def optional(self, image: np.ndarray | None) -> Picture | None:
        """The same where there is an image."""
        return None if image is None else self.picture(image)

    def file(self, path: Path | None, limit: int = 16 * 2**20) -> str | None:
        """Copy a file of the run; None where it is absent or larger than `limit` bytes."""
        if path is None or not path.is_file() or path.stat().st_size > limit:
            return None
        return self.add(path.read_bytes(), path.suffix)


def read(path: Path | None, edge: int = 512) -> np.ndarray | None:
    """An image file as uint8 [H, W, 3] over white, shrunk to `edge`; None where it is absent or
    broken."""
    if path is None:
        return None
    try:
        with Image.open(path) as file:
            if file.mode in ("RGBA", "LA", "P"):
                rgba = file.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert(
                    "RGB"
                )
            else:
                image = file.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None
    if max(image.size) > edge:
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    return np.asarray(image)


def colors(values: np.ndarray, name: str) -> np.ndarray:
    """Values [H, W] in 0 … 1 through a color map -> uint8 [H, W, 3]."""
    from matplotlib import colormaps

    return (colormaps[name](np.clip(values, 0, 1))[..., :3] * 255).round().astype(np.uint8)


def read_depth(path: Path | None, edge: int = 512) -> np.ndarray | None:
    """A 16-bit depth image as colors, near bright, nothing white; the range is that of the person
    in it."""
    if path is None:
        return None
    try:
        with Image.open(path) as file:
            depth = np.asarray(file).astype(np.float64)
    except (OSError, SyntaxError, ValueError):
        return None
    step = -(-max(depth.shape[:2]) // edge)
    depth = depth[::step, ::step]
    hit = depth > 0
    if depth.ndim != 2 or not hit.any():
        return None
    near, far = np.percentile(depth[hit], [1, 99])
    image = colors(1 - (depth - near) / max(far - near, 1.0), "viridis")
    image[~hit] = 255
    return image


def error_map(
    prediction: np.ndarray | None, truth: np.ndarray | None, top: float = 0.5
) -> np.ndarray | None:
    """Mean absolute color error of two pictures, black = 0, yellow-white = `top` or more."""
    if prediction is None or truth is None or prediction.shape != truth.shape:
        return None
    error = np.abs(prediction.astype(np.float64) - truth).mean(-1) / 255
    return colors(error / top, "inferno")


def sheet(
    rows: Sequence[Sequence[np.ndarray | None]], cell: int = 128, gap: int = 4
) -> np.ndarray | None:
    """A contact sheet uint8 on white: rows of pictures, each fitted into `cell` squares; None where
    there is no picture."""
    if not any(image is not None for row in rows for image in row):
        return None
    columns = max(len(row) for row in rows)
    page = Image.new("RGB", (columns * (cell + gap) - gap, len(rows) * (cell + gap) - gap), "white")
    for j, row in enumerate(rows):
        for i, array in enumerate(row):
            if array is None:
                continue
            image = Image.fromarray(array)
            scale = cell / max(image.size)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image = image.resize(
                size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
            )
            page.paste(
                image,
                (
                    i * (cell + gap) + (cell - size[0]) // 2,
                    j * (cell + gap) + (cell - size[1]) // 2,
                ),
            )
    return np.asarray(page)
