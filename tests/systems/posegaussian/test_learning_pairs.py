"""What a training job reads of a run: its pairs, those it is watched with, and heat maps for the
released target."""

import numpy as np
import pytest
from stereo_scenes import slope

from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.scans.gps_files import save_camera
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import save_heat
from hgm.systems.posegaussian.setup import training_of

PARTS = {"train000": ["0000_000", "0000_001"], "train001": ["0001_000"], "val000": ["0500_000"]}
EXCHANGED = ["0001_000"]  # whose right photo comes first
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
        write_json(run / "render_data" / f"{part}.heatmaps.json", {"members": members})
        for name in names:
            pair, file = slope(32, int(name[:4])), run / "rectified" / part / f"{name}.npz"
            pair.save(file)
            save_heat(file, pair.heat)
            files = PairFiles(run / "render_data" / part[:-3], name)
            order = (1, 0) if name in EXCHANGED else (0, 1)
            for view, side in enumerate(order):
                paths = files.camera_files(view)
                save_camera(*paths, pair.source_K[side], pair.source_world_to_camera[side])
    return [
        [run / "rectified" / part / "manifest.json" for part in PARTS],
        [run / "render_data" / f"{part}.json" for part in PARTS],
        [run / "render_data" / f"{part}.heatmaps.json" for part in PARTS],
    ]


def test_validation_pairs_are_apart(manifests):
    training = training_of(PARAMS, "learned", *manifests)
    assert [m.name for m in training.pairs.members] == PARTS["train000"] + PARTS["train001"]
    assert [m.name for m in training.validation.members] == PARTS["val000"]
    assert training.heat is None and training.seed == 3 and training.design.heat == 3
    assert training.pairs.pair(0).heat.shape == (2, 32, 32, 3)
    bare = {**PARAMS, "encoding": None}
    alone = training_of(bare, "none", *(files[:2] for files in manifests[:2]))
    assert alone.pairs.pair(0).heat is None
    assert alone.validation is None and alone.design.heat == 0
    with pytest.raises(InputError, match=r"no stereo pair to train by.* no scan was asked for"):
        training_of(bare, "none", *(files[2:] for files in manifests[:2]))


def test_a_training_without_any_pair_says_why_the_first_is_lacking(manifests, tmp_path):
    lacking = {"members": {}, "failed": {"0000_000": "0.png: no such heat map"}}
    write_json(tmp_path / "train000.heatmaps.json", lacking)
    files = [manifests[0][:1], manifests[1][:1], [tmp_path / "train000.heatmaps.json"]]
    assert len(training_of({**PARAMS, "encoding": None}, "none", *files[:2]).pairs) == 2
    with pytest.raises(InputError, match=r"left.*, 0000_000: 0\.png: no such heat map"):
        training_of(PARAMS, "learned", *files)


def test_released_reads_heat_maps_as_they_were(manifests):
    released = {**PARAMS, "compat": "released"}
    training = training_of(released, "learned", *manifests)
    files = PairFiles(manifests[1][0].parent / "train", PARTS["train001"][0])
    maps = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    for view in (0, 1):
        files.save_heat_map(view, maps[view], "jet3")
    # the left one first, whatever the order of the photos
    assert np.array_equal(training.heat(2), maps[::-1])
    assert training_of(released, "none", *manifests[:2]).heat is None
