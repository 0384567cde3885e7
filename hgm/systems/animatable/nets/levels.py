"""The levels of a StyleUNet. Without torch, since plans count from them."""

from __future__ import annotations

from hgm.systems.animatable.settings import LOWEST

VIEW_WIDTH = 128  # channels of the level that features of the view are added to, as released


class Levels:
    """The levels of a network for pictures of `size`, the lowest first: their edges, each half of
    the next, and their channels, `top` at the largest one and twice as many at each smaller one,
    at most `cap`."""

    def __init__(self, size: int, top: int, cap: int) -> None:
        sizes = [LOWEST]
        while sizes[-1] < size:
            sizes.append(2 * sizes[-1])
        if sizes[-1] != size or len(sizes) < 2:
            raise ValueError(f"size is {size}, expected {2 * LOWEST}, {4 * LOWEST} …")
        self.sizes = tuple(sizes)
        self.widths = tuple(min(cap, top * size // s) for s in sizes)

    @property
    def view(self) -> int:
        """The index of the level that features of the view are added to: the one with VIEW_WIDTH
        channels, or with the nearest number of them; of several the largest. The lowest level has
        no block of a decoder, to which they could be added."""
        above = range(1, len(self.sizes))
        return max(above, key=lambda i: (-abs(self.widths[i] - VIEW_WIDTH), i))
