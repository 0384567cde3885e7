"""Frames of a clip that are set aside, each with its reason."""

import logging
import struct
from collections.abc import Callable
from pathlib import Path
from zlib import compress, crc32

import numpy as np
import pytest
from head_clips import write_random_clip
from PIL import Image

from hgm.errors import InputError
from hgm.systems.monogaussian.clip_file import read_clip
from hgm.systems.monogaussian.clip_pictures import ClipPictures


def test_frames_of_unusable_masks_are_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_random_clip(tmp_path)
    Image.new("L", (16, 32), 255).save(clip.path("mask", 2))
    Image.new("L", (32, 32), 0).save(clip.path("mask", 5))
    clip.path("mask", 7).write_bytes(clip.path("mask", 7).read_bytes()[:60])
    caplog.set_level(logging.WARNING)
    found = read_clip(tmp_path)
    assert len(found) == 21 and found.names[:4] == ("1", "2", "4", "5")
    assert np.array_equal(found.pose, np.delete(clip.pose, [2, 5, 7], 0))
    assert found.set_aside["3"] == "the mask is [16, 32], the image [32, 32] pixels"
    assert found.set_aside["6"] == "the mask is empty"
    assert found.set_aside["8"].startswith("not a readable image")
    assert "mask/6.png: frame set aside: the mask is empty" in caplog.text
    assert "few" not in caplog.text


WRONG: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray], str]] = {
    "empty": ("mask", lambda mask: mask * 0, "the mask is empty"),
    "0 and 1": ("mask", lambda mask: mask // 255, "the mask's highest value is 1: it shows nobody"),
    "white": ("mask", lambda mask: mask * 0 + 255, "the mask covers the whole picture"),
    "mask of 16 bits": (
        "mask",
        lambda mask: mask.astype(np.uint16) * 257,
        "the mask has more than 8 bits",
    ),
    "image of 16 bits": (
        "image",
        lambda image: image[..., 0].astype(np.uint16) * 257,
        "the image has more than 8 bits",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_clip_of_unusable_pictures_is_refused(tmp_path: Path, wrong: str) -> None:
    kind, change, message = WRONG[wrong]
    clip = write_random_clip(tmp_path)
    for i in range(len(clip)):
        path = clip.path(kind, i)
        Image.fromarray(change(np.asarray(Image.open(path)))).save(path)
        if i == len(clip) - 2:
            assert read_clip(tmp_path).names == (clip.names[-1],)
    with pytest.raises(InputError, match=rf"mask/1\.png: {message}.*; no frame of the clip"):
        read_clip(tmp_path)


def test_color_of_16_bits_is_that_of_8(tmp_path: Path) -> None:
    """Pillow reads it as 8 bits."""
    clip = write_random_clip(tmp_path)
    before = ClipPictures([clip], 32).image(2)
    path = clip.path("image", 2)
    write_png_16(path, np.asarray(Image.open(path)).astype(np.uint16) * 257)
    assert path.read_bytes()[24] == 16
    assert len(read_clip(tmp_path)) == 24
    assert (ClipPictures([clip], 32).image(2) == before).all()


def write_png_16(path: Path, picture: np.ndarray) -> None:
    """A PNG of 16 bits a channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    height, width, _ = picture.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_few_frames_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_random_clip(tmp_path, 19)
    assert len(read_clip(tmp_path)) == 19
    assert "19 frames are few" in caplog.text
