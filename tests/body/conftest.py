"""Model files of the free stand-in body, written once."""

from pathlib import Path

import pytest
import torch

from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.standin.body.core import write_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture(scope="session")
def male(models: Path) -> BodyModel:
    return BodyModel.load(models, "male")


@pytest.fixture
def people() -> BodyParameters:
    """Three people with random shapes, poses, faces and hands."""
    generator = torch.Generator().manual_seed(4)
    zeros = BodyParameters.zeros(3)
    return zeros.map(lambda x: 0.4 * torch.randn(x.shape, generator=generator))
