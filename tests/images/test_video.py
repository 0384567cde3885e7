"""Videos play back what was written, and equal frames give equal bytes."""

from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from hgm.errors import InputError, Interrupted
from hgm.images.video import write_video


def frames(count: int = 8, height: int = 48, width: int = 65) -> Iterator[np.ndarray]:
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        yield np.stack([255 * x / width, 255 * y / height, np.full(x.shape, 20.0 * i)], -1).astype(
            np.uint8
        )


def test_frames_come_back_and_bytes_repeat(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(), quality=10)
    write_video(tmp_path / "b.mp4", frames(), quality=10)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data == (tmp_path / "b.mp4").read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")  # starts to play before it has arrived whole
    back = iio.imread(tmp_path / "a.mp4")
    assert back.shape == (8, 48, 64, 3)
    assert np.abs(back.astype(float) - np.stack(list(frames()))[:, :, :64]).mean() < 4
    assert iio.immeta(tmp_path / "a.mp4")["pix_fmt"].startswith("yuv420p")
    assert not [p for p in tmp_path.iterdir() if p.suffix != ".mp4"]


def test_unusable_frames_are_named_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame"):
        write_video(tmp_path / "a.mp4", [])
    with pytest.raises(InputError, match="uint8"):
        write_video(
            tmp_path / "a.mp4", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)]
        )
    with pytest.raises(InputError, match="ffmpeg failed"):
        write_video(tmp_path / "a.mp4", [np.zeros((1, 8, 3), np.uint8)] * 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("kill -9 $$", Interrupted, r"a\.mp4: ffmpeg was stopped \(SIGKILL\); run again"),
        (
            "echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 228",
            OSError,
            "No space left on device",
        ),
        ("echo 'no such codec' >&2; exit 1", InputError, r"ffmpeg failed \(no such codec\)"),
    ],
)
def test_only_what_is_wrong_with_frames_is_put_down_to_them(
    tmp_path: Path, monkeypatch, script, error, words
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with pytest.raises(error, match=words):
        write_video(tmp_path / "a.mp4", frames())
    assert list(tmp_path.iterdir()) == [program]
