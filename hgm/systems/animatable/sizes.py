"""How large the three StyleUNets are, from their settings alone: channels, parameters,
multiplications. Without torch, for requests and forecasts.

`size` is the edge of what the networks see, half that of a map. A level halves or doubles it, down
to `LOWEST`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hgm.systems.animatable.settings import LOWEST

ATTRIBUTES = {"color": 3, "position": 3, "other": 8}  # the networks and what each gives a pixel
SIDES = 2  # a decoder for the front, one for the back
BANDS = 4  # of a wavelet transform, in which every level gives its picture
VIEW = 64  # channels in the middle of the view's network
VIEW_LEVEL = 128  # channels of the level that it feeds
COVERED = 0.12  # share of a map that the body covers, about


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

    @property
    def levels(self) -> list[int]:
        """Edges of the levels, the lowest first."""
        return [LOWEST << i for i in range((self.size // LOWEST).bit_length())]

    def channels(self, level: int) -> int:
        """Channels of a level, by its edge."""
        return min(self.cap, self.top * self.size // level)

    def _encoder(self) -> list[tuple[int, int, int, int]]:
        """Convolutions: channels in and out, kernel, edge of what each gives."""
        *lower, _ = self.levels
        top = self.channels(lower[-1])
        found = [(3, top, 3, lower[-1])]
        for edge, below in zip(lower[::-1], lower[-2::-1], strict=False):
            c = self.channels(edge)
            found += [(3, c, 1, edge), (c, c, 3, edge), (c, self.channels(below), 3, below)]
        c = self.channels(LOWEST)
        return [*found, (c, c, 3, LOWEST)]

    def _joins(self) -> list[tuple[int, int, int, int]]:
        """Those that join what the encoder gives to what a decoder has so far."""
        inner = self.levels[1:-1]
        return [(2 * self.channels(r), self.channels(r), 3, r) for r in inner]

    def _decoder(self, outputs: int) -> list[tuple[int, int, int, int]]:
        """Those of one decoder; one that doubles its picture works at the smaller edge."""
        found = []
        for below, level in zip(self.levels, self.levels[1:], strict=False):
            a, b = self.channels(below), self.channels(level)
            found += [(a, b, 3, below), (b, b, 3, level), (b, BANDS * outputs, 1, level)]
        return found

    def parameters(self) -> int:
        """Of the three networks and the view's."""
        each = sum(i * o * k * k + o for i, o, k, _ in [*self._encoder(), *self._joins()])
        each += 2 * (self.style**2 + self.style)
        total = 0
        for outputs in ATTRIBUTES.values():
            total += each
            for i, o, k, _ in self._decoder(outputs):
                # weight, bias, modulation, and the strength of the noise where there is any
                own = i * o * k * k + o + i * (self.style + 1) + (k == 3)
                total += SIDES * own
        fed = min(self.cap, VIEW_LEVEL)
        return total + VIEW * 16 + VIEW + VIEW * fed * 16 + fed

    def macs(self) -> float:
        """Multiplications of the three networks, forward, for one pose."""
        once = sum(i * o * k * k * r * r for i, o, k, r in self._encoder())
        total = 0
        for outputs in ATTRIBUTES.values():
            sides = [*self._joins(), *self._decoder(outputs)]
            total += once + SIDES * sum(i * o * k * k * r * r for i, o, k, r in sides)
        return float(total)

    def activations(self) -> float:
        """Numbers that a forward pass leaves for the backward pass: what each convolution takes and
        gives, and what is between."""
        once = sum((i + 2 * o) * r * r for i, o, _, r in self._encoder())
        total = 0
        for outputs in ATTRIBUTES.values():
            sides = [*self._joins(), *self._decoder(outputs)]
            total += once + SIDES * sum((i + 2 * o) * r * r for i, o, _, r in sides)
        return float(total)

    @property
    def points(self) -> float:
        """Gaussians of an adult, about."""
        return COVERED * SIDES * (2 * self.size) ** 2
