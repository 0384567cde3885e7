"""One small person as a scan."""

from pathlib import Path

import pytest
from synthetic_scans import write_person

from hgm.body import BodyModel
from hgm.scans import ScanFiles
from hgm.standin import core


@pytest.fixture(scope="session")
def male() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture
def scan(tmp_path: Path, male: BodyModel) -> ScanFiles:
    return write_person(tmp_path, "0001", male, seed=1)
