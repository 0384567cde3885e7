"""The variants of the avatar: which parts of it are left out, and what the release does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Released:
    """Behavior of the release that is a fault; each is repaired where it is False."""

    dead_schedule: bool = False  # the learning rate never falls
    restarted_moments: bool = False  # Adam begins anew every epoch
    fixed_camera: bool = False  # the camera's shift gets no gradient
    unused_renderer: bool = False  # a network of 4,742 parameters that nothing uses


RELEASED = Released(
    dead_schedule=True, restarted_moments=True, fixed_camera=True, unused_renderer=True
)


@dataclass(frozen=True)
class Variant:
    """One way to make the avatar."""

    title: str
    correction: bool = True  # the network that corrects each Gaussian from its displacement
    expression: bool = True  # whether the avatar is told the expression
    bound: bool = False  # Gaussians stay at their nearest vertex of the head
    tracking: bool = True  # whether the frames' parameters are learned along
    released: Released = Released()


VARIANTS: Mapping[str, Variant] = {
    "full": Variant("the whole avatar"),
    "no_correction": Variant("without the correction network", correction=False),
    "no_expression": Variant("without the expression as input", expression=False),
    "bound": Variant(
        "Gaussians fixed to the nearest vertex of the head", correction=False, bound=True
    ),
    "given_tracking": Variant("with every frame's parameters as given", tracking=False),
    "released": Variant("as released, faults included", released=RELEASED),
}


def variant_of(name: str, compat: str) -> Variant:
    """A variant by its name; under `released` with the release's faults."""
    variant = VARIANTS[name]
    return dataclasses.replace(variant, released=RELEASED) if compat == "released" else variant
