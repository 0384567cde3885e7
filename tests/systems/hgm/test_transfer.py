"""A packed data set comes back with the same pixels and bodies; a foreign or broken file is refused
in one line."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from hgm.core.items import finished, mark_whole
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.render.member import STAGE
from hgm.scans.catalogue import configured_entries, write_table
from hgm.workflow.configuration import parse
from hgm.workflow.pack import pack, unpack

CONFIG = {
    "run": "a",
    "scans": {"train": "0000-0001", "val": "", "test": "0505", "chunk": 2, "texture": 256},
}


@pytest.fixture
def run(rendered, tmp_path, monkeypatch):
    """results/a with two training people and a test person, rendered."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results" / "a"
    config = parse(CONFIG)
    entries = configured_entries(config.scans.model_dump())
    for entry, source in zip(entries, [*rendered, rendered[0]], strict=True):
        folder = results / "views" / entry.chunk / entry.scan
        shutil.copytree(source, folder)
        mark_whole(folder, STAGE, "k")
    for chunk in ("train000", "test000"):
        write_json(results / "standin" / f"{chunk}.json", {"stage": "standin"})
        write_json(
            results / "views" / chunk / "manifest.json",
            {
                "stage": "render",
                "members": {e.scan: "k" for e in entries if e.chunk == chunk},
                "failed": {},
            },
        )
    write_table(
        results / "scans.tsv",
        ["scan", "split", "chunk"],
        [(e.scan, e.split, e.chunk) for e in entries],
    )
    write_table(results / "rejected.tsv", ["scan", "reason"], [])
    return results


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_pixels_and_bodies_come_back(run, tmp_path):
    assert pack(parse(CONFIG), tmp_path / "views.zip") == 3
    first = (tmp_path / "views.zip").read_bytes()
    pack(parse(CONFIG), tmp_path / "views.zip")
    assert (tmp_path / "views.zip").read_bytes() == first
    run.rename(tmp_path / "results" / "before")
    assert unpack(tmp_path / "views.zip", parse(CONFIG)) == 3
    before = tmp_path / "results" / "before"
    for path in sorted((before / "views").rglob("*.*")):
        here = run / path.relative_to(before)
        if path.name.startswith("depth_") and "train" in str(path):
            assert not here.exists()
        elif path.suffix == ".png":
            assert np.array_equal(pixels(here), pixels(path)), path
        elif path.suffix == ".npz":
            with np.load(path) as old, np.load(here) as new:
                assert sorted(old.files) == sorted(new.files)
                for name in old.files:
                    assert np.allclose(old[name], new[name], atol=1e-6), name
        elif path.name == f".{STAGE}.json":  # its sizes name no depth of training people
            assert finished(here.parent, STAGE, "k")
        else:
            assert here.read_bytes() == path.read_bytes()
    # for the surface of a test person its scan is made again, and only its
    assert [p.name for p in (run / "standin/THuman2.0_Release").iterdir()] == ["0505"]
    times = [
        (run / name).stat().st_mtime_ns
        for name in ("standin/test000.json", "scans.tsv", "views/test000/manifest.json")
    ]
    assert times == sorted(times)


def test_nothing_is_overwritten_and_only_rendered_runs_are_packed(run, tmp_path):
    pack(parse(CONFIG), tmp_path / "views.zip")
    with pytest.raises(InputError, match="there already"):
        unpack(tmp_path / "views.zip", parse(CONFIG))
    (run / "views/test000/manifest.json").unlink()
    with pytest.raises(InputError, match="not rendered yet"):
        pack(parse(CONFIG), tmp_path / "again.zip")
    assert not (tmp_path / "again.zip").exists()


@pytest.mark.parametrize(
    "name",
    ["../outside.txt", "/tmp/outside", "views/train000/0000/run.sh", "views/../../x/scans.tsv"],
)
def test_a_file_that_would_leave_its_place_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("scans.tsv", "scan\tsplit\tchunk\n")
        archive.writestr(name, "x")
    with pytest.raises(InputError, match="has no place in a data set"):
        unpack(tmp_path / "bad.zip", parse(CONFIG))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.zip"]


def test_another_data_set_and_a_broken_file_are_refused(run, tmp_path):
    pack(parse(CONFIG), tmp_path / "views.zip")
    other = parse({**CONFIG, "run": "b", "scans": {**CONFIG["scans"], "train": "0007"}})
    with pytest.raises(InputError, match="of other scans than 0007"):
        unpack(tmp_path / "views.zip", other)
    data = (tmp_path / "views.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.zip: not a whole file"):
        unpack(tmp_path / "cut.zip", parse({**CONFIG, "run": "b"}))
