"""Views that a data set brings along: photos or renders with cameras, masks and a body, instead of
a scan to render."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from hgm.body.files import PlacedBody
from hgm.cameras import Cameras
from hgm.errors import ScanError
from hgm.scans.check import SIDES, check_views
from hgm.scans.silhouettes import small


@dataclass(frozen=True)
class GivenView:
    """One view at the size of its file."""

    rgb: np.ndarray  # [H, W, 3] uint8 over white
    mask: np.ndarray  # [H, W] uint8 coverage
    depth: np.ndarray | None = None  # [H, W] float32 planar z in normalized units, 0 = nothing hit


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
    def placed_body(self) -> PlacedBody: ...

    @property
    def has_depth(self) -> bool:
        """Whether every picture has a depth image; else none has."""

    def files(self) -> list[Path]:
        """Everything that decides the views."""

    def picture(self, index: int) -> GivenView: ...


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
    check_views(
        np.stack(masks), cameras[chosen], views.placed_body.body.vertices, faces, views.place
    )
