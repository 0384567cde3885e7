"""Frames to an mp4 that every browser plays, with the same bytes for the same frames, and back."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from hgm.core.processes import stopped_by
from hgm.errors import STORAGE, InputError, Interrupted


def write_video(
    path: str | Path, frames: Iterable[np.ndarray], *, fps: int = 24, quality: int = 20
) -> None:
    """Write uint8 RGB frames [H, W, 3] as H.264 (yuv420p, one encoder thread, no time stamps) by
    atomic rename.

    An odd width or height is cut by one pixel, since yuv420p has none. quality: x264's constant
    rate factor, lower is better. Raises InputError when there is no frame, frames differ in size or
    the encoder fails, Interrupted when it is killed and OSError of a full disk.
    """
    import imageio_ffmpeg

    path = Path(path)
    source = iter(frames)
    first = next(source, None)
    if first is None:
        raise InputError(f"{path}: there is no frame to write")
    height = first.shape[0] // 2 * 2
    width = first.shape[1] // 2 * 2
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part = Path(folder) / "part.mp4"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-nostdin",
            "-loglevel",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{width}x{height}",
            "-r",
            str(fps),
            "-i",
            "pipe:",
            "-an",
            "-c:v",
            "libx264",
            "-preset",
            "medium",
            "-crf",
            str(quality),
            "-threads",
            "1",
            "-x264-params",
            "threads=1:lookahead-threads=1:sliced-threads=0",
            "-vf",
            "scale=out_color_matrix=bt709",
            "-pix_fmt",
            "yuv420p",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
            "-map_metadata",
            "-1",
            "-movflags",
            "+faststart",
            f"file:{part}",  # with a colon in its path it would be a protocol
        ]
        with tempfile.TemporaryFile() as log:
            encoder = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
            try:
                # a pipe that breaks is explained by the encoder's own message, below
                with contextlib.suppress(BrokenPipeError), encoder.stdin as pipe:  # type: ignore[union-attr]
                    for frame in itertools.chain([first], source):
                        if frame.shape != first.shape or frame.dtype != np.uint8:
                            got = f"{frame.dtype} {frame.shape}"
                            raise InputError(
                                f"{path}: frames must be uint8 {first.shape}, got {got}"
                            )
                        pipe.write(np.ascontiguousarray(frame[:height, :width]).tobytes())
            except BaseException:
                encoder.kill()
                raise
            finally:
                encoder.wait()
            if encoder.returncode:
                log.seek(0)
                said = log.read().decode("utf-8", "replace").strip()
                _raise_failure(path, encoder.returncode, said)
        os.replace(part, path)


def read_video(path: str | Path) -> Iterator[np.ndarray]:
    """The frames of a film, uint8 RGB [H, W, 3]. Raises InputError where it cannot be read."""
    import imageio_ffmpeg

    try:
        reader = imageio_ffmpeg.read_frames(str(path))
        width, height = next(reader)["size"]
        for frame in reader:
            yield np.frombuffer(frame, np.uint8).reshape(height, width, 3)
    except (OSError, RuntimeError, StopIteration, KeyError) as error:
        raise InputError(f"{path}: not a readable film ({error}); make it again") from None


def _raise_failure(path: Path, code: int, said: str) -> NoReturn:
    signal = stopped_by(code)
    if signal is not None:
        raise Interrupted(f"{path}: ffmpeg was stopped ({signal}); run again")
    for number in STORAGE:
        if os.strerror(number) in said:
            raise OSError(number, os.strerror(number), str(path))
    raise InputError(f"{path}: ffmpeg failed ({said.splitlines()[-1] if said else code})")
