"""What plans know of a capture's files, and of the networks, without reading pictures or torch."""

import json
import os

import torch
from torch.utils.flop_counter import FlopCounterMode

from hgm.systems.animatable.layout import camera_names, frames_of, stamp, standin_cameras
from hgm.systems.animatable.nets.attributes import AttributeNets
from hgm.systems.animatable.sizes import Sizes


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


def test_sizes_are_those_of_the_networks():
    for size, top, cap, style in ((512, 64, 512, 512), (64, 32, 64, 48), (32, 8, 16, 16)):
        sizes = Sizes(size, top, cap, style)
        with torch.device("meta"):
            nets = AttributeNets(size, top, cap, style)
        assert sizes.parameters() == sum(p.numel() for p in nets.parameters())
        with FlopCounterMode(display=False) as counter:
            for net in (nets.position, nets.other, nets.color):
                net(torch.empty(1, 3, size, size, device="meta"))
        # filters are not counted, a small share in all but the smallest networks
        assert 0.85 < sizes.macs() / (counter.get_total_flops() / 2) < 1
    assert Sizes(512, 64, 512, 512).parameters() == 223_648_936


def test_smaller_networks_have_fewer_of_everything():
    paper, small = Sizes(512, 64, 512, 512), Sizes(64, 32, 64, 64)
    assert small.parameters() < paper.parameters() / 50 and small.macs() < paper.macs() / 100
    assert small.activations() < paper.activations() / 50 and 3000 < small.points < 5000
