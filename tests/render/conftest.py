"""A new renderer for each test, since Blender has one scene in a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_scans import write_male_model

from hgm.render.blender import Renderer


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with Renderer() as made:
        yield made


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_male_model(tmp_path_factory.mktemp("models"))
