"""What a training job reads of a run: its pairs, those it is watched with, and heat maps for the
released target."""

import numpy as np
import pytest
from stereo_scenes import slope

from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.setup import training_of

PARTS = {"train000": ["0000_000", "0000_001"], "train001": ["0001_000"], "val000": ["0500_000"]}
PARAMS = {
    "network": {"preset": "small"},
    "encoding": "jet3",
    "compat": "repaired",
    "seed": 3,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    for part, names in PARTS.items():
        members = {name: name for name in names}
        write_json(run / "rectified" / part / "manifest.json", {"members": members})
        write_json(run / "render_data" / f"{part}.json", {"members": members})
        for name in names:
            slope(32, int(name[:4])).save(run / "rectified" / part / f"{name}.npz")
    return [
        [run / "rectified" / part / "manifest.json" for part in PARTS],
        [run / "render_data" / f"{part}.json" for part in PARTS],
    ]


def test_validation_pairs_are_apart(manifests):
    training = training_of(PARAMS, "learned", *manifests)
    assert [m.name for m in training.pairs.members] == PARTS["train000"] + PARTS["train001"]
    assert [m.name for m in training.validation.members] == PARTS["val000"]
    assert training.heat is None and training.seed == 3 and training.design.heat == 3
    alone = training_of(PARAMS, "none", *(files[:2] for files in manifests))
    assert alone.validation is None and alone.design.heat == 0
    with pytest.raises(InputError, match="no stereo pair was found"):
        training_of(PARAMS, "none", *(files[2:] for files in manifests))


def test_released_reads_heat_maps_as_they_were(manifests):
    released = {**PARAMS, "compat": "released"}
    training = training_of(released, "learned", *manifests)
    files = PairFiles(manifests[1][0].parent / "train", PARTS["train001"][0])
    maps = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    for view in (0, 1):
        files.save_heat_map(view, maps[view], "jet3")
    assert np.array_equal(training.heat(2), maps)
    assert training_of(released, "none", *manifests).heat is None
