"""Widths of a U-Net: channels, attention, layers and norms of each level."""

from __future__ import annotations

from dataclasses import dataclass

from hgm.errors import InputError


@dataclass(frozen=True)
class UNetWidths:
    """An asymmetric U-Net, 1-D or 2-D: one number a block; fewer up than down blocks shrink the
    output."""

    down: tuple[int, ...]
    down_attention: tuple[bool, ...]
    up: tuple[int, ...]
    up_attention: tuple[bool, ...]
    mid_attention: bool = True
    layers: int = 2  # residual layers a down block; an up block has one more
    heads: int = 16
    groups: int = 32  # of every GroupNorm

    def __post_init__(self) -> None:
        # lists after a trip through JSON
        for name in ("down", "down_attention", "up", "up_attention"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.down) != len(self.down_attention) or len(self.up) != len(self.up_attention):
            raise InputError(
                f"widths: one attention flag a block is needed, got down {len(self.down)}/"
                f"{len(self.down_attention)} and up {len(self.up)}/{len(self.up_attention)}"
            )
        if not 1 <= len(self.up) <= len(self.down):
            raise InputError(
                f"widths: expected 1 to {len(self.down)} up blocks, got {len(self.up)}"
            )
        for width in (*self.down, *self.up):
            if width % self.groups or width % self.heads:
                raise InputError(
                    f"widths: {width} channels divide neither evenly into {self.groups} groups "
                    f"nor into {self.heads} heads; change the width"
                )

    @property
    def reduction(self) -> int:
        """Input length over length at the bottom."""
        return 2 ** (len(self.down) - 1)

    @property
    def output_reduction(self) -> int:
        """Input length over output length."""
        return 2 ** (len(self.down) - len(self.up))
