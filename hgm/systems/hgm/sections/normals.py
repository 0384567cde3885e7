"""The net that predicts normals from a picture, in the place of ICON's: section `normals`."""

from __future__ import annotations

from hgm.core.settings import Count, Section, described


class Normals(Section):
    """Widths of the net and its training; the paper uses ICON's net."""

    icon: str | None = described(
        None, "ICON's normal.ckpt (paper); without it the run trains a small net of its own"
    )
    channels: list[Count] = described(
        [64, 128, 256], "widths of the run's own net, which replaces ICON's (ours)", min_length=1
    )
    steps: int = described(6000, "training steps (ours)", ge=1)
    batch: int = described(8, "pictures in a step", ge=1)
    lr: float = described(1e-3, "peak learning rate", gt=0)
