"""Widths of the network's layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Widths:
    """Channels, all multiples of 8. Encoders and decoder have one number a level; the first level
    of an encoder has half the size of its picture, each other half the size of the one before."""

    image: tuple[int, ...]  # and of the encoder of inverse depth
    pose: tuple[int, ...]
    decoder: tuple[int, ...]  # coarsest level first
    head: int  # of the maps of Gaussians
    correlation: int  # features that are compared
    motion: int  # what is read from correlation and from flow, each
    hidden: int  # between the state and what is read from it

    def __post_init__(self) -> None:
        # lists after a trip through JSON
        for name in ("image", "pose", "decoder"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def factor(self) -> int:
        """Edge of a picture over the edge of the coarsest features of it."""
        return 2 ** len(self.image)


WIDTHS: Mapping[str, Widths] = {
    "paper": Widths((32, 48, 96), (64, 96, 128), (96, 64, 48), 32, 192, 64, 256),
    "small": Widths((16, 24, 48), (32, 48, 64), (48, 32, 24), 16, 96, 32, 96),
}
CHANNELS: Mapping[str, int] = {"jet3": 3, "gray1": 1, "coco17": 17}  # of a heat map
