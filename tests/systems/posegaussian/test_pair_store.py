"""The store of a training's pairs: what is in the files, from memory or decoded each time."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hgm.errors import InputError
from hgm.systems.posegaussian.dataset import PairMember, PairStore, pair_members
from hgm.systems.posegaussian.heat_files import write_heat_maps
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair, save_heat
from hgm.systems.posegaussian.rectify import rectify_pair
from hgm.systems.posegaussian.settings import HeatMaps


@pytest.fixture(scope="module")
def run(rendered, tmp_path_factory) -> Path:
    """Two parts of one pair each, the second with the photos' places exchanged."""
    root = tmp_path_factory.mktemp("run")
    source = PairFiles(rendered, "0000_000")
    for part in ("train000", "test001-d45"):
        folder, _, condition = part.partition("-")
        split = f"{folder[:-3]}-{condition}" if condition else folder[:-3]
        files = PairFiles(root / "render_data" / split, "0000_000")
        for file in source.files():
            link = files.folder(file.parent.parent.name) / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
        write_heat_maps(files, HeatMaps())
        heat = np.stack([files.heat_map(view, "jet3") for view in (0, 1)])
        pair = rectify_pair(dataclasses.replace(files.photos(), heat=heat))
        if condition:
            pair = dataclasses.replace(pair, images=pair.images[::-1].copy())
        pair.save(root / "rectified" / part / "0000_000.npz")
        save_heat(root / "rectified" / part / "0000_000.npz", pair.heat)
        manifest = {"stage": "rectify", "members": {"0000_000": "key"}, "failed": {"0000_001": ""}}
        (root / "rectified" / part / "manifest.json").write_text(json.dumps(manifest))
        (root / "render_data" / f"{part}.json").write_text(json.dumps(manifest))
    return root


@pytest.fixture
def members(run) -> list[PairMember]:
    parts = ("train000", "test001-d45")
    return pair_members(
        [run / "rectified" / part / "manifest.json" for part in parts],
        [run / "render_data" / f"{part}.json" for part in parts],
    )


def assert_same(pair: RectifiedPair, path: Path, *, heat: bool) -> None:
    true = RectifiedPair.load(path, heat=heat)
    assert (true.heat is not None) == heat
    for field in dataclasses.fields(true):
        found, wanted = getattr(pair, field.name), getattr(true, field.name)
        assert np.array_equal(found, wanted), field.name
        assert np.asarray(found).dtype == np.asarray(wanted).dtype


@pytest.mark.parametrize(("limit", "heat"), [(0, True), (1 << 30, True), (1 << 30, False)])
def test_pairs_and_views_are_those_of_the_files(members, limit, heat):
    store = PairStore(members, heat=heat, limit=limit)
    assert len(store) == 2 and store.members[1].files.root.name == "test-d45"
    for _ in range(2):
        for i, member in enumerate(members):
            assert_same(store.pair(i), member.rectified, heat=heat)
    for view in (2, 3, 4):
        for _ in range(2):
            found = store.novel(0, view)
            true = members[0].files.large_picture(view)
            assert np.allclose(found.rgb.movedim(0, -1).numpy() * 255, true, atol=1e-3)
            K, w2c = members[0].files.camera(view)
            assert found.camera.width == found.camera.height == 384
            assert np.allclose(found.camera.K[0].numpy()[:2], 2 * K[:2])
            assert np.allclose(found.camera.world_to_camera[0].numpy(), w2c, atol=1e-6)
            small = members[0].files.picture(view)[1] / 255
            assert np.allclose(found.mask[0, ::2, ::2].numpy(), small, atol=1e-6)
    assert store.novel(0, 3).ratio == pytest.approx(0.5)
    assert (store.pictures.held > 1e6) == (limit > 0)


def test_pairs_without_heat_maps_are_left_out_where_these_are_wanted(run):
    paths = [run / "rectified/train000/manifest.json"], [run / "render_data/train000.json"]
    heat = run / "render_data/train000.heatmaps.json"
    heat.write_text(json.dumps({"members": {}, "failed": {"0000_000": "no such heat map"}}))
    assert len(pair_members(*paths)) == 1 and not pair_members(*paths, [heat])


def test_what_does_not_fit_is_one_line(members, tmp_path):
    pair = RectifiedPair.load(members[0].rectified, heat=True)
    dataclasses.replace(pair, flow=None, valid=None).save(tmp_path / "other.npz")
    other = dataclasses.replace(members[1], rectified=tmp_path / "other.npz")
    store = PairStore([members[0], other])
    with pytest.raises(InputError, match=r"other\.npz: 192 pixels, 0 channels.*without depth"):
        store.pair(1)
    with pytest.raises(InputError, match=r"heatmaps/other\.npz"):
        PairStore([members[0], other], heat=True).pair(1)
    (tmp_path / "other.npz").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"other\.npz: not a readable rectified pair"):
        store.pair(1)
    with pytest.raises(InputError, match="0000_000"):
        moved = PairFiles(tmp_path / "test", "0000_000")
        PairStore([dataclasses.replace(members[0], files=moved)]).novel(0, 2)
