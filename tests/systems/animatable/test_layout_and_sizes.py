"""What plans know of a capture's files, and of the networks, without reading pictures or torch."""

import json
import os

from hgm.systems.animatable.layout import camera_names, frames_of, stamp, standin_cameras
from hgm.systems.animatable.sizes import Sizes

PAPER = Sizes(size=512, top=64, cap=512, style=512)


def test_frames_are_counted_with_both_ends():
    assert frames_of("0-3") == [0, 1, 2, 3]
    assert frames_of("48-60:5") == [48, 53, 58]
    assert frames_of("7-7") == [7] and frames_of("0-3:0") == [0, 1, 2, 3]


def test_held_out_cameras_stand_evenly_among_the_others():
    trained, apart = standin_cameras(7, 1)
    assert apart == ["cam04"] and len(trained) == 7 and not set(trained) & set(apart)
    trained, apart = standin_cameras(14, 2)
    assert apart == ["cam04", "cam12"] and sorted(trained + apart)[-1] == "cam15"


def test_cameras_are_found_in_every_layout_and_absent_ones_in_none(tmp_path):
    (tmp_path / "4x").mkdir()
    (tmp_path / "calibration_full.json").write_text(json.dumps({"22010710": {}, "22010708": {}}))
    (tmp_path / "calibration.json").write_text(json.dumps({"cam00": {}}))
    (tmp_path / "4x/calibration.csv").write_text("name,w,h\nCam001,10,20\nCam002,10,20\n\n")
    assert camera_names(tmp_path, "avatarrex") == ["22010710", "22010708"]
    assert camera_names(tmp_path, "thuman4") == ["cam00"]
    assert camera_names(tmp_path, "actorshq") == ["Cam001", "Cam002"]
    assert camera_names(tmp_path / "none", "actorshq") == []
    (tmp_path / "calibration.json").write_text("[")
    assert camera_names(tmp_path, "thuman4") == []


def test_the_stamp_of_pictures_follows_each_of_them_and_nothing_else(tmp_path):
    for name in ("a/1.jpg", "a/mask/1.png", "b.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    before = stamp(tmp_path)
    (tmp_path / "b.npz").write_bytes(b"other")
    assert stamp(tmp_path) == before
    os.utime(tmp_path / "a/mask/1.png", ns=(1, 1))
    changed = stamp(tmp_path)
    (tmp_path / "a/2.jpg").touch()
    assert len({before, changed, stamp(tmp_path)}) == 3


def test_the_paper_s_networks_have_the_published_counts():
    assert PAPER.parameters() == 223_648_936
    assert [PAPER.channels(level) for level in PAPER.levels] == [512, 512, 512, 512, 256, 128, 64]
    # the three networks without the view's, counted by torch on the released sizes: 883
    assert abs(PAPER.macs() / 1e9 - 883) < 0.01 * 883


def test_smaller_networks_have_fewer_of_everything():
    small = Sizes(size=64, top=32, cap=64, style=64)
    assert small.levels == [8, 16, 32, 64] and small.channels(8) == 64
    assert small.parameters() < PAPER.parameters() / 50 and small.macs() < PAPER.macs() / 100
    assert small.activations() < PAPER.activations() / 50 and 3000 < small.points < 5000
