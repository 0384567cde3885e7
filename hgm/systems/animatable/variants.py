"""The variants of the avatar: how much of it the pose of the body decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """One way to make the avatar."""

    title: str
    networks: bool = True  # predict the Gaussians; else they are learned, one number each
    posed: bool = True  # the networks see the posed body; else the canonical one in every frame


VARIANTS: Mapping[str, Variant] = {
    "full": Variant("the whole avatar"),
    "static": Variant("the networks see the canonical body in every frame", posed=False),
    "skinned": Variant("colors learned, positions and shapes as at the start", networks=False),
}
