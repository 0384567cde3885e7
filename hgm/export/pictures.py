"""Pictures and turntables of Gaussians: `.png`, `.gif`, `.mp4`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hgm.cameras import orbit
from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.views import to_bytes
from hgm.splat import render


@dataclass(frozen=True)
class Turn:
    """A way around the person. Raises InputError for numbers that no picture can be made of."""

    size: int = 512  # pixels of an edge
    frames: int = 72  # of the whole turn
    fps: int = 24
    azimuth: float = 0.0  # degrees of the first frame; 0 is in front, 90 at the person's left (+x)
    elevation: float = 0.0  # degrees above the pelvis

    def __post_init__(self) -> None:
        for name, low, high in (
            ("size", 16, 8192),
            ("frames", 1, 10000),
            ("fps", 1, 100),
            ("azimuth", -360, 360),
            ("elevation", -85, 85),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"--{name}: {value} is out of range; expected {low} to {high}")


@torch.no_grad()
def frames(gaussians: Gaussians, turn: Turn) -> Iterator[np.ndarray]:
    """Renders uint8 [size, size, 3] over white of unbatched Gaussians, one at a time."""
    ring = orbit(turn.frames, size=turn.size, start=turn.azimuth, elevation=turn.elevation).to(
        gaussians.means.device
    )
    for i in range(turn.frames):
        yield to_bytes(render(gaussians, ring[[i]]).rgb[0])


def write_gif(path: str | Path, pictures: Iterable[np.ndarray], *, fps: int) -> None:
    """Write uint8 RGB frames [H, W, 3] as an endless GIF, 256 colors a frame; its clock ticks in
    1/100 s."""
    first, *rest = (
        Image.fromarray(x).quantize(256, method=Image.Quantize.MEDIANCUT) for x in pictures
    )
    buffer = io.BytesIO()
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=rest,
        duration=10 * max(round(100 / fps), 2),
        loop=0,
        optimize=False,
    )
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
