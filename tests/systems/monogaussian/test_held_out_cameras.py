"""Held-out cameras of a clip: the file both ways, and the pictures by them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from head_clips import random_clip
from PIL import Image

from hgm.errors import InputError
from hgm.systems.monogaussian.held_out import HeldOut, read_held_out, write_held_out
from hgm.systems.monogaussian.layout import HELD_OUT_LIST


@pytest.fixture
def written(tmp_path: Path) -> HeldOut:
    """Two cameras, of which each sees two frames in a gray of its own."""
    rig = random_clip(tmp_path, 2)
    made = HeldOut(
        tmp_path, ("1", "9"), ("left", "right"), rig.focal, rig.center, rig.world_to_camera
    )
    write_held_out(made)
    for i, camera in enumerate(made.cameras):
        for k, frame in enumerate(made.frames):
            made.path(camera, frame).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (40 * i + 10 * k,) * 3).save(made.path(camera, frame))
    return made


def test_held_out_cameras_that_are_written_are_read_the_same(written: HeldOut) -> None:
    found = read_held_out(written.folder)
    assert found is not None
    assert (found.frames, found.cameras) == (written.frames, written.cameras)
    for name in ("focal", "center", "world_to_camera"):
        assert np.array_equal(getattr(found, name), getattr(written, name)), name


def test_views_are_those_of_the_frames_that_a_clip_has(written: HeldOut) -> None:
    clip = random_clip(written.folder, 12)[[0, 3, 8]]
    views = list(written.views(clip, 4))
    assert [(camera, frame) for camera, frame, _, _ in views] == [
        ("left", 0),
        ("left", 2),
        ("right", 0),
        ("right", 2),
    ]
    rig = written.rig(4)
    for (_, _, camera, image), gray, i in zip(views, (0, 10, 40, 50), (0, 0, 1, 1), strict=True):
        assert image.shape == (3, 4, 4) and (image == gray).all()
        assert torch.equal(camera.world_to_camera, rig.world_to_camera[i : i + 1])
    assert len(list(written.views(clip[:1], 4))) == 2


def test_a_picture_of_16_bits_is_refused(written: HeldOut) -> None:
    path = written.path("left", "9")
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(path)
    with pytest.raises(InputError, match=rf"{path}: the picture has more than 8 bits a pixel"):
        written.image("left", "9", 4)


def test_a_clip_without_held_out_cameras(tmp_path: Path) -> None:
    assert read_held_out(tmp_path) is None


DAMAGED = {
    "{": "make the video again",
    "[]": "names no frames and cameras",
    '{"frames": []}': "names no frames and cameras",
    '{"frames": [], "cameras": {}}': "names no cameras",
    '{"frames": [], "cameras": {"a": 1}}': "names no frames and cameras",
    '{"frames": [], "cameras": {"a": {"intrinsics": [1, NaN, 1, 1]}}}': "a: intrinsics holds",
    '{"frames": [], "cameras": {"a": {"intrinsics": [1, 1, 1, 1]}}}': "a: the key world_mat is",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_list_of_cameras_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / HELD_OUT_LIST).write_text(content)
    with pytest.raises(InputError, match=DAMAGED[content]) as found:
        read_held_out(tmp_path)
    assert str(tmp_path / HELD_OUT_LIST) in str(found.value)
