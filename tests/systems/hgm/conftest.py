import pytest
from bare_bodies import write_views

from hgm.body.model import BodyModel
from hgm.standin.body import core


@pytest.fixture(scope="session")
def model() -> BodyModel:
    return BodyModel(core.model("male"))


@pytest.fixture(scope="session")
def rendered(model, tmp_path_factory):
    """Two view folders."""
    folders = [tmp_path_factory.mktemp("stages") / "train000" / f"{seed:04d}" for seed in range(2)]
    for seed, folder in enumerate(folders):
        write_views(folder, model, seed=seed)
    return folders
