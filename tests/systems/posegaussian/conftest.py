"""A person whose stereo pairs are rendered once for all tests of this folder, in whichever process
they run."""

from pathlib import Path

import pytest
from made_once import once, shared_folder
from synthetic_scans import write_male_model, write_person

from hgm.body.model import BodyModel
from hgm.scans.data_source import DataSource
from hgm.systems.posegaussian.settings import Pairs
from hgm.systems.posegaussian.stereo_views import render_pairs

SIZE = 192
SCAN = "0000"


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """One scan with its fit and the body model."""
    shared = shared_folder(tmp_path_factory)
    root = shared / "stereo_people"
    with once(shared, "stereo_people") as missing:
        if missing:
            models = write_male_model(root / "models")
            write_person(root, SCAN, BodyModel.load(models), seed=3)
    return DataSource("thuman2", root, root / "models", "male")


@pytest.fixture(scope="session")
def rendered(place: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a split with one pair of 192 pixels; nobody may write to it."""
    shared = shared_folder(tmp_path_factory)
    out = shared / "stereo_pairs"
    with once(shared, "stereo_pairs") as missing:
        if missing:
            pairs = Pairs(size=SIZE, per_scan=1, samples=8)
            done = render_pairs(place, [SCAN], "test000", out, pairs, seed=0, workers=1, code="")
            assert list(done.members) == ["0000_000"] and not done.failed
    return out / "test"
