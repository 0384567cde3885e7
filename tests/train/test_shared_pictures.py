"""Decoded pictures: one memory for all threads and processes of a training, its limits, and what is
left of it."""

import logging
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.errors import InputError
from hgm.images.views import save_cameras, save_view, view_path
from hgm.train import pictures as module
from hgm.train.distributed import Ranks, launch
from hgm.train.pictures import Pictures
from hgm.train.scan_store import ScanStore

SIZE = 32  # a view is a page of memory
VIEW = 4 * SIZE * SIZE


def write(folder: Path, views: int = 12, height: int = SIZE, width: int = SIZE) -> Path:
    """Views of a scan, each of other numbers."""
    rig = orbit(views, size=width)
    save_cameras(folder, Cameras(rig.K, rig.world_to_camera, width, height))
    generator = np.random.default_rng([views, height, width, *folder.name.encode()])
    for i in range(views):
        rgb, mask = (
            np.repeat(generator.integers(0, 256, (height, 1, *c), np.uint8), width, 1)
            for c in ((3,), ())
        )
        save_view(folder, i, rgb=rgb, mask=mask)
    return folder


def all_views(pictures: Pictures, folder: Path, views: int = 12) -> list[Tensor]:
    return [torch.cat(pictures.view(folder, i)) for i in range(views)]


def delete(folder: Path, views: int = 12) -> None:
    for kind in ("rgb", "mask"):
        for i in range(views):
            view_path(folder, kind, i).unlink()


@pytest.fixture
def decoded(monkeypatch) -> list[tuple[str, str, int]]:
    """What has been decoded, view by view."""
    found = []
    load = module.load_picture

    def counted(folder: Path, kind: str, index: int, height: int, width: int) -> Tensor:
        found.append((folder.name, kind, index))
        return load(folder, kind, index, height, width)

    monkeypatch.setattr(module, "load_picture", counted)
    return found


def of_this_process() -> int:
    """Bytes of memory, programs and libraries apart."""
    found = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return sum(1024 * int(found[key].split()[0]) for key in ("RssAnon", "RssShmem"))


LARGE = 1024  # pixels: 4 MB a view


def member(ranks: Ranks, store: ScanStore, folder: Path) -> None:
    """The main process reads all views and deletes their files; the other reads them then, one
    after the other and all at once."""
    if ranks.is_main:
        for i in range(12):
            store.view(0, i)
        delete(store.folders[0])
    ranks.broadcast(True)
    if not ranks.is_main:
        store.view(0, 0)
        start = of_this_process()
        for i in range(12):
            store.view(0, i)
        one = of_this_process() - start
        seen = [store.view(0, i) for i in range(12)]
        together = of_this_process() - start
        torch.save({"seen": seen, "one": one, "together": together}, folder / "seen.pt")


def test_what_one_process_decoded_another_reads_and_does_not_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "100000")  # what is let go leaves the process
    folder = write(tmp_path / "0000", height=LARGE, width=LARGE)
    truth = all_views(Pictures([folder]), folder)
    launch(2, "cpu", member, ScanStore([folder]), tmp_path)
    found = torch.load(tmp_path / "seen.pt", weights_only=True)
    assert all(
        torch.equal(torch.cat(pair), whole)
        for pair, whole in zip(found["seen"], truth, strict=True)
    )
    assert found["one"] < 3 * 4 * LARGE**2
    assert found["together"] > 10 * 4 * LARGE**2  # what it holds, it would see


def test_scans_of_any_size_and_number_of_views_share_a_file_between_threads(tmp_path):
    shapes = {"a": (12, 32, 32), "b": (5, 24, 40), "c": (1, 8, 8), "d": (12, 32, 32)}
    folders = [write(tmp_path / name, *shape) for name, shape in shapes.items()]
    pictures = Pictures(folders)
    truth = Pictures(folders, limit=0)
    places = [(f, i) for f in folders for i in range(shapes[f.name][0])] * 3
    random.Random(0).shuffle(places)
    for folder, index in places[: len(places) // 4]:
        pictures.view(folder, index)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: pictures.view(*place), places))
    expected = [truth.view(*place) for place in places]
    for folder in folders:
        delete(folder, shapes[folder.name][0])
    found += [pictures.view(*place) for place in places]
    for (rgb, mask), (true_rgb, true_mask) in zip(found, expected * 2, strict=True):
        assert rgb.shape[0] == 3 and torch.equal(rgb, true_rgb) and torch.equal(mask, true_mask)
    assert 0 < pictures.held <= pictures.end + 4095 and truth.held == 0


def test_where_files_of_memory_are_forbidden_one_of_the_temporary_folder_serves(
    tmp_path, monkeypatch, decoded
):
    def forbidden(name: str) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "memfd_create", forbidden)
    folder = write(tmp_path / "a")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pictures = Pictures([folder])
    first = all_views(pictures, folder)
    count = len(decoded)
    assert (
        all(torch.equal(x, y) for x, y in zip(first, all_views(pictures, folder), strict=True))
        and len(decoded) == count == 24
    )
    assert os.readlink(f"/proc/self/fd/{pictures._file}").startswith(f"{tmp_path}/") and [
        p.name for p in tmp_path.iterdir()
    ] == ["a"]


def test_what_is_read_may_be_changed(tmp_path):
    folder = write(tmp_path / "0000")
    pictures = Pictures([folder])
    truth = pictures.view(folder, 0)[0].clone()
    for _ in range(2):
        rgb = pictures.view(folder, 0)[0]
        assert torch.equal(rgb, truth)
        rgb.zero_()


def test_beyond_the_limit_the_first_views_stay(tmp_path, decoded, caplog):
    caplog.set_level(logging.INFO)
    folders = [write(tmp_path / name) for name in ("a", "b")]
    Pictures(folders, limit=24 * VIEW)
    assert not caplog.records
    pictures = Pictures(folders, limit=18 * VIEW + VIEW // 2)
    assert [r.getMessage() for r in caplog.records] == [
        "decoded pictures: 0 MB of 0 are kept in memory, the rest is decoded each time"
    ]
    first = [x for folder in folders for x in all_views(pictures, folder)]
    assert len(decoded) == 2 * 24
    for _ in range(2):
        decoded.clear()
        assert all(
            torch.equal(x, y)
            for x, y in zip(
                first, (x for f in folders for x in all_views(pictures, f)), strict=True
            )
        )
        assert {(name, index) for name, _, index in decoded} == {
            ("b", i) for i in range(6, 12)
        } and len(decoded) == 2 * 6
    assert 18 * VIEW <= pictures.held <= pictures.end + 4095


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file of this process may be larger than three views and a half."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * VIEW + VIEW // 2, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_kept_is_decoded_each_time_and_said_once(tmp_path, decoded, caplog, request):
    folder = write(tmp_path / "0000")
    truth = all_views(Pictures([folder]), folder)
    pictures = Pictures([folder])
    request.getfixturevalue("little_room")
    for _ in range(3):
        decoded.clear()
        assert all(
            torch.equal(x, y) for x, y in zip(truth, all_views(pictures, folder), strict=True)
        )
    assert {index for _, _, index in decoded} == set(range(3, 12))  # the fourth was written in part
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "decoded pictures: no more than 0 MB can be kept in memory (File too large), the rest is "
        "decoded each time"
    ]


KEEPS = """
import sys, time
from pathlib import Path
from hgm.train.pictures import Pictures
folder = Path(sys.argv[1])
pictures = Pictures([folder])
for i in range(12):
    pictures.view(folder, i)
assert pictures.held >= 12 * 4 * 32 * 32
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_process_leaves_no_file(tmp_path):
    folder = write(tmp_path / "0000")
    room = tmp_path / "tmp"
    room.mkdir()
    shared = set(os.listdir("/dev/shm"))
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPS, str(folder)],
        stdout=subprocess.PIPE,
        cwd=room,
        env={**os.environ, "TMPDIR": str(room)},
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert list(room.iterdir()) == []
    assert not {name for name in set(os.listdir("/dev/shm")) - shared if "pictures" in name}


def test_a_picture_of_another_size_than_its_camera_is_named(tmp_path):
    folder = write(tmp_path / "0000")
    other = write(tmp_path / "0001", height=16, width=16)
    view_path(other, "mask", 3).replace(view_path(folder, "mask", 3))
    pictures = Pictures([folder])
    with pytest.raises(
        InputError,
        match=r"0000/mask_03\.png: is \[1, 16, 16\], expected \[1, 32, 32\]; "
        r"render this scan again",
    ):
        pictures.view(folder, 3)


def test_a_view_that_a_scan_lacks_is_not_its_neighbors(tmp_path):
    folders = [write(tmp_path / "a", 3), write(tmp_path / "b", 3)]
    pictures = Pictures(folders)
    for folder in folders:
        all_views(pictures, folder, 3)
    with pytest.raises(InputError, match=r"a/rgb_03\.png"):
        pictures.view(folders[0], 3)
