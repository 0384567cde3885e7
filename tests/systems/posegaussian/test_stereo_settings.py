"""Settings of PoseGaussian that are valid one by one, but not together."""

import pytest

from hgm.errors import InputError
from hgm.workflow.configuration import parse


def config(**sections):
    return parse({"system": "posegaussian", **sections})


@pytest.mark.parametrize(
    ("spacings", "reason"),
    [
        ([1e-5], "multiple of 0.1"),
        ([33.3333], "multiple of 0.1"),
        ([33.3, 33.300000000000004], "stands in it twice"),
        ([22.5], "is pairs.degrees"),
    ],
)
def test_other_angles_are_names_of_files_too(spacings, reason):
    with pytest.raises(InputError, match=reason):
        config(evaluate={"spacings": spacings})


def test_pictures_of_joints_need_a_folder_where_pairs_are_rendered_here():
    with pytest.raises(InputError, match=r"heatmaps.folder: source: files needs the folder"):
        config(heatmaps={"source": "files"})
    config(heatmaps={"source": "files", "folder": "mine"})
    config(
        heatmaps={"source": "files"}, pairs={"root": "data"}, evaluate={"spacings": [], "hard": ""}
    )


def test_angles_with_a_tenth_are_fine():
    for degrees in (0.1, 0.7, 22.3, 30, 33.3, 179.9):
        assert config(evaluate={"spacings": [degrees]}).evaluate.spacings == [degrees]
