"""Archives cannot write outside of their place, name other people, or unpack to more than they
should; each refusal is one line."""

import gzip
import io
import json
import stat
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hgm.core import npz
from hgm.core.npz import read_npz
from hgm.errors import InputError
from hgm.export import spz
from hgm.gaussians import Gaussians
from hgm.systems.hgm.settings import Config
from hgm.workflow import pack
from hgm.workflow.configuration import parse
from hgm.workflow.pack import unpack

TABLE = "scan\tsplit\tchunk\n0000\ttrain\ttrain000\n"
MANIFEST = {"stage": "render", "members": {"0000": "k"}, "failed": {}}


def configuration() -> Config:
    return parse(
        {"run": "a", "scans": {"train": "0000", "val": "", "test": "", "chunk": 1, "texture": 128}}
    )


def sound() -> dict[str, bytes]:
    """The members of a small packed data set without its pictures."""
    return {
        "scans.tsv": TABLE.encode(),
        "rejected.tsv": b"scan\treason\n",
        "views/train000/0000/cameras.json": b"{}",
        "views/train000/manifest.json": json.dumps(MANIFEST).encode(),
    }


def write(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    """A zip, its members stored with a Unix mode."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return path


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A working folder below another one, which has to stay as it is."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    # takes seconds, and nothing here needs them
    monkeypatch.setattr(pack, "_make_standins", lambda *_: None)
    monkeypatch.setattr(pack, "body_model", lambda *_: None)
    return folder


def everything(place: Path) -> set[str]:
    return {path.relative_to(place.parent).as_posix() for path in place.parent.rglob("*")}


def with_manifest(**changes: object) -> dict[str, bytes]:
    return {**sound(), "views/train000/manifest.json": json.dumps({**MANIFEST, **changes}).encode()}


def large_picture() -> bytes:
    """A small PNG that says it has 60000 x 60000 pixels."""
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", 60000, 60000)
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


REFUSED: dict[str, Callable[[], dict[str, bytes]]] = {
    **{
        name: lambda name=name: {**sound(), name: b"x"}
        for name in (
            "../x",
            "../../x",
            "/tmp/x",
            "views/../../x",
            "views/train000/../../../x",
            "views\\..\\..\\x",
            "..",
            "C:\\x",
            "views/",
            "views/train000/0000/rgb_00.webp/x",
            "views/train000/0000/sub/cameras.json",
            "scans.tsv\n",
            "views/train000/0000/rgb_00.webp ",
            "~/x",
            "views/é/0000/rgb_00.png",
            "standin/../x.json",
            "results/a/scans.tsv",
            ".bashrc",
            "views/train000/0000/conftest.py",
        )
    },
    "a member of another person": lambda: {**sound(), "views/train000/0001/cameras.json": b"{}"},
    "a manifest that names a folder above": lambda: with_manifest(members={"../../../../x": "k"}),
    "a manifest that names another person": lambda: with_manifest(failed={"0001": "gone"}),
    "a manifest that is none": lambda: {**sound(), "views/train000/manifest.json": b"[]"},
    "a manifest that is no JSON": lambda: {**sound(), "views/train000/manifest.json": b"{"},
    "a table that names a folder above": lambda: {
        **sound(),
        "scans.tsv": TABLE.replace("0000", "../..").encode(),
    },
    "a table that is no text": lambda: {**sound(), "scans.tsv": b"\xff\xfe"},
    "no table": lambda: {k: v for k, v in sound().items() if k != "scans.tsv"},
    "a member that is too large": lambda: {
        **sound(),
        "views/train000/0000/smplx.npz": bytes(pack.LARGEST + 1),
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_packed_data_set_is_refused_before_anything_is_written(name, place):
    file = write(place / "x.zip", REFUSED[name]())
    before = everything(place)
    with pytest.raises(InputError) as caught:
        unpack(file, configuration())
    assert (
        everything(place) == before
        and str(caught.value).isprintable()
        and "x.zip" in str(caught.value)
    )


@pytest.mark.parametrize(
    "mode",
    [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR],
    ids=["link", "device", "pipe", "folder"],
)
def test_members_become_plain_files_whatever_they_say_they_are(mode, place):
    outside = place.parent / "outside"
    outside.write_text("mine")
    unpack(
        write(
            place / "x.zip",
            {**sound(), "views/train000/0000/cameras.json": b"../../../../../../outside"},
            mode=mode | 0o777,
        ),
        configuration(),
    )
    made = place / "results/a/views/train000/0000/cameras.json"
    assert made.is_file() and not made.is_symlink() and made.stat().st_mode & 0o777 == 0o644
    assert outside.read_text() == "mine" and not any(path.is_symlink() for path in place.rglob("*"))


def test_a_member_that_hides_its_size_ends_at_what_it_says(place):
    file = write(
        place / "x.zip", {**sound(), "views/train000/0000/smplx.npz": bytes(pack.LARGEST + 1)}
    )
    data = file.read_bytes()
    size = struct.pack("<I", pack.LARGEST + 1)
    lie = struct.pack("<I", 10)
    assert data.count(size) == 2
    file.write_bytes(data.replace(size, lie))
    with pytest.raises(InputError, match=r"x\.zip: not a whole file of hgm pack \(Bad CRC"):
        unpack(file, configuration())


def test_a_picture_that_says_it_is_huge_is_refused(place):
    file = write(place / "x.zip", {**sound(), "views/train000/0000/rgb_00.webp": large_picture()})
    with pytest.raises(InputError, match=r"x\.zip: not a whole file"):
        unpack(file, configuration())
    assert not list(place.rglob("rgb_00*"))


def test_arrays_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1 << 20))
    assert read_npz(tmp_path / "a.npz")["a"].shape == (1 << 20,)
    monkeypatch.setattr(npz, "LARGEST", 1 << 20)
    with pytest.raises(
        InputError, match=r"a\.npz: not a readable npz file \(it unpacks to more than"
    ):
        read_npz(tmp_path / "a.npz")


def test_an_spz_that_goes_on_and_on_is_not_unpacked(tmp_path):
    """As many bytes as its head asks for are taken, and no more than ten million Gaussians."""
    path = tmp_path / "a.spz"
    quats = torch.tensor([[1.0, 0, 0, 0]] * 3)
    spz.write_spz(
        Gaussians(torch.zeros(3, 3), torch.ones(3), torch.ones(3, 3), quats, torch.zeros(3, 3)),
        path,
    )
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content + bytes(300 << 20)))
    tracemalloc.start()
    assert len(spz.read_spz(path)) == 3
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()
    head = spz.HEADER.pack(spz.MAGIC, spz.VERSION, 4_000_000_000, 0, 12, 0, 0)
    path.write_bytes(gzip.compress(head + bytes(1 << 20)))
    with pytest.raises(InputError, match=r"a\.spz: says that it holds 4000000000 Gaussians"):
        spz.read_spz(path)
    path.write_bytes(gzip.compress(content)[:-6] + b"\0" * 6)
    with pytest.raises(InputError, match=r"a\.spz: not an \.spz file"):
        spz.read_spz(path)
