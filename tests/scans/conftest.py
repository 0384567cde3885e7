"""One small person, as a scan and as views."""

from pathlib import Path

import pytest
from synthetic_scans import write_person, write_view_folder

from hgm.body.model import BodyModel
from hgm.cameras import orbit
from hgm.scans.thuman import ScanFiles
from hgm.standin.body import core


@pytest.fixture(scope="session")
def male() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture
def scan(tmp_path: Path, male: BodyModel) -> ScanFiles:
    return write_person(tmp_path, "0001", male, seed=1)


@pytest.fixture(scope="session")
def view_folder(tmp_path_factory: pytest.TempPathFactory, male: BodyModel) -> Path:
    """The 12 views of the rig, 96 x 96 pixels."""
    return write_view_folder(
        tmp_path_factory.mktemp("views") / "0003", male, orbit(size=96), seed=3
    )
