"""Pictures of Gaussians, made alike in training and measurement."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.splat import render

BACKGROUND = (0.0, 0.0, 0.0)


def pictures_of(sets: Sequence[Gaussians], cameras: Cameras, *, backend: str = "auto") -> Tensor:
    """Pictures [B, 3, H, W] over black of B sets, each by its own camera [B]; antialiased, as
    released."""
    shown = render(
        Gaussians.stack(sets),
        cameras[:, None],
        backend=backend,
        background=BACKGROUND,
        antialiased=True,
    )
    return shown.rgb[:, 0]
