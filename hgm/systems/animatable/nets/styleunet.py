"""The StyleUNet with one encoder and two decoders: a picture of the posed body in, a map of its
front and a map of its back out (Animatable Gaussians, Li et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from hgm.systems.animatable.nets.haar import from_bands, to_bands
from hgm.systems.animatable.nets.layers import (
    Convolution,
    EqualConvolution,
    Join,
    Mapping,
    ModulatedConvolution,
)
from hgm.systems.animatable.nets.levels import Levels
from hgm.systems.animatable.nets.upfirdn import doubled, halved

SIDES = 2  # front and back


class Encoder(nn.Module):
    """x [B, inputs, S, S] -> features from the lowest level up to that of half the size, each
    halving after the picture itself, shrunken, was added to them again."""

    def __init__(self, inputs: int, levels: Levels) -> None:
        super().__init__()
        down = levels.widths[::-1]  # from the largest level
        pairs = list(pairwise(down[1:]))
        self.stem = EqualConvolution(inputs, down[1], 3, down=True)
        self.pictures = nn.ModuleList(EqualConvolution(inputs, a, 1) for a, _ in pairs)
        self.convolutions = nn.ModuleList(EqualConvolution(a, a, 3) for a, _ in pairs)
        self.halvings = nn.ModuleList(EqualConvolution(a, b, 3, down=True) for a, b in pairs)
        self.bottom = EqualConvolution(down[-1], down[-1], 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        y = self.stem(x)
        features = []
        for picture, convolution, halving in zip(
            self.pictures, self.convolutions, self.halvings, strict=True
        ):
            x = halved(x)
            y = convolution(y + picture(x))
            features.append(y)
            y = halving(y)
        return [self.bottom(y), *reversed(features)]


class Decoder(nn.Module):
    """One side: features of the encoder -> a map [B, outputs, 2 S, 2 S].

    Each level doubles the size, and adds sub-bands (`haar`) to the doubled picture of the level
    below; so the last one, at S, gives a map of twice that size.
    """

    def __init__(self, outputs: int, levels: Levels, style: int) -> None:
        super().__init__()
        self.view_level = levels.view - 1  # its index among the blocks
        self.doublings = nn.ModuleList()
        self.convolutions = nn.ModuleList()
        self.bands = nn.ModuleList()
        for (a, b), size in zip(pairwise(levels.widths), levels.sizes[1:], strict=True):
            self.doublings.append(ModulatedConvolution(a, b, 3, style, size=size, up=True))
            self.convolutions.append(ModulatedConvolution(b, b, 3, style, size=size))
            self.bands.append(ModulatedConvolution(b, 4 * outputs, 1, style))

    def forward(
        self,
        x: Tensor,
        joins: Sequence[Join],
        style: Tensor | None,
        view: Tensor | None,
    ) -> Tensor:
        """x: the lowest level's features; joins: with those of the other levels; view: what is
        added to the features of a level."""
        found: Tensor | None = None
        blocks = zip(self.doublings, self.convolutions, self.bands, strict=True)
        for i, (doubling, convolution, to_map) in enumerate(blocks):
            if i > 0:
                x = joins[i - 1](x)
            x = convolution(doubling(x, style), style)
            if view is not None and i == self.view_level:
                x = x + view.to(x.dtype)
            bands = to_map(x, style)
            found = bands if found is None else bands + to_bands(doubled(from_bands(found)))
        assert found is not None
        return from_bands(found)


class StyleUNet(nn.Module):
    """x [B, inputs, S, S] -> maps [B, 2, outputs, 2 S, 2 S], front and back.

    `view`: features of the viewing direction for each side, [B, C, s, s] with the channels C and
    the edge s of the level `levels.view`. Weights and noise are drawn by torch's global seed; the
    noise is fixed from then on, and saved with the weights.
    """

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        *,
        size: int = 512,
        top: int = 64,
        cap: int = 512,
        style: int = 512,
    ) -> None:
        super().__init__()
        self.levels = levels = Levels(size, top, cap)
        self.encoder = Encoder(inputs, levels)
        self.mapping: nn.Module = Mapping(style)
        self.joins = nn.ModuleList(
            EqualConvolution(2 * width, width, 3) for width in levels.widths[1:-1]
        )
        self.decoders = nn.ModuleList(Decoder(outputs, levels, style) for _ in range(SIDES))

    def forward(self, x: Tensor, view: Sequence[Tensor] | None = None) -> Tensor:
        style = self.mapping()
        lowest, *others = self.encoder(x)
        joins = [
            Join.of(cast(Convolution, join), features)
            for join, features in zip(self.joins, others, strict=True)
        ]
        sides = [
            decoder(lowest, joins, style, None if view is None else view[side])
            for side, decoder in enumerate(self.decoders)
        ]
        return torch.stack(sides, 1)
