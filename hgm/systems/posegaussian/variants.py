"""The variants of the system: what becomes of the heat maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Fusion = Literal["learned", "none", "released_random"]


@dataclass(frozen=True)
class Variant:
    """One way to use the heat maps."""

    title: str
    heat: bool = True  # whether the network sees heat maps
    learned: bool = True  # whether the fusion is trained; else drawn anew in each forward pass


VARIANTS: Mapping[str, Variant] = {
    "learned": Variant("heat maps joined with the picture's features, as described"),
    "none": Variant("without heat maps: GPS-Gaussian", heat=False),
    "released_random": Variant("heat maps joined by random weights, as released", learned=False),
}


def variant_of(fusion: Fusion | str, compat: str = "repaired") -> Variant:
    """A variant as `compat` makes it: with the release's faults, none learns to join heat maps."""
    found = VARIANTS[fusion]
    return VARIANTS["released_random"] if found.heat and compat == "released" else found
