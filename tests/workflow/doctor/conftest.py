"""A configuration on small synthetic scans, and single assets of the list."""

from pathlib import Path

import pytest
from synthetic_scans import write_male_model, write_person

from hgm.body.model import BodyModel
from hgm.standin.body import core
from hgm.systems.hgm.settings import Config
from hgm.workflow.configuration import parse
from hgm.workflow.doctor.entries import Asset, load_assets

IDS = ("0000", "0001", "0002")


@pytest.fixture(scope="session")
def listed() -> dict[str, Asset]:
    return {asset.name: asset for asset in load_assets()}


@pytest.fixture(scope="session")
def male() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture
def data(tmp_path: Path, male: BodyModel) -> Path:
    """Three scans with fits and a body model, in a folder with a blank and letters beyond ASCII."""
    root = tmp_path / "mes données" / "THuman 2.0 人"
    for seed, name in enumerate(IDS):
        write_person(root, name, male, seed=seed)
    write_male_model(root / "models")
    return root


@pytest.fixture
def config(data: Path) -> Config:
    return parse(
        {
            "scans": {
                "source": "thuman2",
                "root": str(data),
                "models": str(data / "models"),
                "train": "0000-0001",
                "val": "",
                "test": "0002",
            }
        }
    )
