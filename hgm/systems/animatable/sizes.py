"""How large the three StyleUNets are, from their settings alone: parameters, multiplications,
activations. Without torch, for requests and forecasts.

`size` is the edge of what the networks see, half that of a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from hgm.systems.animatable.nets.levels import Levels

ATTRIBUTES = {"color": 3, "position": 3, "other": 8}  # the networks and what each gives a pixel
SIDES = 2  # a decoder for the front, one for the back
BANDS = 4  # of a wavelet transform, in which every level gives its picture
COVERED = 0.12  # share of a map that the body covers, about

# of a convolution: channels in and out, kernel, edge of what it gives
Convolution = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sizes:
    """The sizes of the networks."""

    size: int
    top: int
    cap: int
    style: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Of a whole configuration."""
        network = config["network"]
        return cls(config["maps"]["size"] // 2, network["top"], network["cap"], network["style"])

    @cached_property
    def levels(self) -> Levels:
        return Levels(self.size, self.top, self.cap)

    def _encoder(self) -> list[Convolution]:
        downward = list(zip(self.levels.widths, self.levels.sizes, strict=True))[-2::-1]
        c, edge = downward[0]
        found = [(3, c, 3, edge)]
        for (c, edge), (lower, below) in pairwise(downward):
            found += [(3, c, 1, edge), (c, c, 3, edge), (c, lower, 3, below)]
        c, edge = downward[-1]
        return [*found, (c, c, 3, edge)]

    def _joins(self) -> list[Convolution]:
        """Half of each: of what a decoder has so far, for each side, and of what the encoder gives,
        for both at once."""
        inner = list(zip(self.levels.widths, self.levels.sizes, strict=True))[1:-1]
        return [(c, c, 3, edge) for c, edge in inner]

    def _decoder(self, outputs: int) -> list[Convolution]:
        """Those of one decoder; one that doubles its picture works at the smaller edge."""
        found = []
        levels = zip(self.levels.widths, self.levels.sizes, strict=True)
        for (a, below), (b, edge) in pairwise(levels):
            found += [(a, b, 3, below), (b, b, 3, edge), (b, BANDS * outputs, 1, edge)]
        return found

    def parameters(self) -> int:
        """Of the three networks and the view's."""
        each = sum(i * o * k * k + o for i, o, k, _ in self._encoder())
        each += sum(2 * i * o * k * k + o for i, o, k, _ in self._joins())
        each += 2 * (self.style**2 + self.style)
        total = 0
        for outputs in ATTRIBUTES.values():
            total += each
            for i, o, k, _ in self._decoder(outputs):
                # weight, bias, modulation, and the strength of the noise where there is any
                own = i * o * k * k + o + i * (self.style + 1) + (k == 3)
                total += SIDES * own
        fed = self.levels.widths[self.levels.view]
        between = fed // 2
        return total + between * (16 + 1) + fed * (between * 16 + 1)

    def _both_sides(self) -> list[list[Convolution]]:
        """All convolutions of each network."""
        once = [*self._encoder(), *self._joins()]
        return [
            [*once, *SIDES * [*self._joins(), *self._decoder(outputs)]]
            for outputs in ATTRIBUTES.values()
        ]

    def macs(self) -> float:
        """Multiplications of the three networks, forward, for one pose."""
        return float(sum(i * o * k * k * r * r for net in self._both_sides() for i, o, k, r in net))

    def activations(self) -> float:
        """Numbers that a forward pass leaves for the backward pass: what each convolution takes and
        gives, and what is between."""
        return float(sum((i + 2 * o) * r * r for net in self._both_sides() for i, o, _, r in net))

    @property
    def points(self) -> float:
        """Gaussians of an adult, about."""
        return COVERED * SIDES * (2 * self.size) ** 2
