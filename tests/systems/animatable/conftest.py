"""The free body model, and its canonical maps at a small size."""

import pytest
import torch

from hgm.body.model import BodyModel, PosedBody
from hgm.standin.body import core
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.maps import canonical_maps
from hgm.systems.animatable.star import Surface, star_body


@pytest.fixture(scope="session")
def model() -> BodyModel:
    return BodyModel(core.model("male"), gender="male")


@pytest.fixture(scope="session")
def star(model: BodyModel) -> PosedBody:
    return star_body(model, torch.linspace(-1, 1, 10))


@pytest.fixture(scope="session")
def maps(model: BodyModel, star: PosedBody) -> CanonicalMaps:
    return canonical_maps(Surface.of_body(model, star), star, 96)
