"""Each verb that can take long says on a terminal where it is, and in a pipe nothing."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from terminal import ErrorsOnTerminal, screen

from hgm.cli import main
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.gaussians import activate
from hgm.scans.catalogue import configured_entries, write_table
from hgm.workflow.configuration import parse


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Run a verb with standard error on a terminal; what it wrote there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Progress, "PAUSE", 0.0)

    def run(*words: object, status: int = 0) -> str:
        terminal = ErrorsOnTerminal(monkeypatch)
        assert main(list(map(str, words))) == status
        return terminal.end()

    return run


@pytest.fixture
def person(tmp_path) -> Path:
    raw = torch.randn(300, 14, generator=torch.Generator().manual_seed(3))
    raw[:, :3] *= 0.3
    raw[:, 3] += 2
    path = tmp_path / "person.ply"
    activate(raw).save_ply(path)
    return path


def steps(text: str, stage: str, total: int, note: str = "") -> bool:
    """Whether a stage was shown from its beginning to its end, once with rate and time left."""
    measured = re.search(rf"{stage} {total - 1}/{total}  [\d.]+/(s|min)  \d+:\d\d:\d\d left", text)
    shown = all(f"{stage} {step}/{total}" in text for step in (0, total)) and note in text
    return shown and (total == 1 or measured is not None)


def test_standin(told):
    text = told("standin", "--ids", "0000-0001", "--texture", "128", "--out", "scans")
    assert steps(text, "body models", 3, "female") and steps(text, "stand-in scans", 2, "0001")


def test_export(told, person):
    assert steps(
        told("export", person, "--out", "a.mp4", "--size", "32", "--frames", "3"), "turntable", 3
    )
    assert steps(
        told("export", person, "--out", "a.gif", "--size", "32", "--frames", "3"), "turntable", 3
    )


def test_a_verb_that_fails_leaves_one_line(told, person, tmp_path):
    text = told(
        "export",
        person,
        "--out",
        tmp_path / "none" / "person.ply" / "a.gif",
        "--size",
        "32",
        "--frames",
        "2",
        status=0,
    )
    assert steps(text, "turntable", 2)
    (tmp_path / "file").touch()
    text = told(
        "export",
        person,
        "--out",
        tmp_path / "file" / "a.gif",
        "--size",
        "32",
        "--frames",
        "2",
        status=1,
    )
    last = [line for line in screen(text) if not line.startswith("turntable 2/2")]
    assert last[0].startswith("error: --out: ") and last[1:] == [""] * (len(last) - 1)


def test_export_views(told, rendered):
    assert steps(told("export-views", *rendered, "--out", "shared"), "export-views", 2, "0001")


def test_view(told, person, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    text = told("view", person, "--no-browser", status=1)
    assert f"reading {person}" in text and screen(text)[0].startswith("error: hgm view needs viser")


def test_pack_and_unpack(told, rendered, tmp_path):
    settings = {
        "run": "a",
        "scans": {"train": "0000-0001", "val": "", "test": "0505", "chunk": 2, "texture": 256},
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(settings))
    results = tmp_path / "results/a"
    entries = configured_entries(parse(settings).scans.model_dump())
    for entry, source in zip(entries, [*rendered, rendered[0]], strict=True):
        shutil.copytree(source, results / "views" / entry.chunk / entry.scan)
    for chunk in ("train000", "test000"):
        write_json(
            results / "views" / chunk / "manifest.json",
            {"members": {e.scan: "k" for e in entries if e.chunk == chunk}},
        )
    write_table(
        results / "scans.tsv",
        ["scan", "split", "chunk"],
        [(e.scan, e.split, e.chunk) for e in entries],
    )
    write_table(results / "rejected.tsv", ["scan", "reason"], [])
    assert steps(told("pack", "--configfile", "a.yaml", "--out", "v.zip"), "pack", 3, "0001")
    shutil.rmtree(results)
    text = told("unpack", "v.zip", "--configfile", "a.yaml")
    assert (
        steps(text, "body models", 3)
        and steps(text, "stand-in scans", 1, "0505")
        and steps(text, "unpack", 3, "0001")
    )


def test_doctor(told):
    from hgm.workflow.configuration import parse
    from hgm.workflow.doctor.entries import load_assets

    concerned = [asset for asset in load_assets() if asset.concerns(parse({}))]
    assert steps(told("doctor"), "doctor", len(concerned))


def test_bench(told, monkeypatch):
    from hgm.bench import run
    from hgm.bench.measure import Row
    from hgm.bench.rates import Rates

    monkeypatch.setattr(run, "best_rates", lambda settings: Rates(1e11, 1e10))
    monkeypatch.setattr(
        "hgm.systems.hgm.bench.stages.STAGES",
        dict.fromkeys(("coarse", "volume"), lambda settings, scene: []),
    )
    monkeypatch.setattr(
        run, "measure_stage", lambda name, *rest: iter([Row(name, "way", "made up")])
    )
    text = told("bench", "--preset", "tiny", "--device", "cpu")
    assert "bench: rates of this machine" in text and steps(text, "bench", 2, "volume")


@pytest.mark.parametrize(
    "words",
    [
        ("standin", "--ids", "0000", "--texture", "128", "--out", "scans"),
        ("doctor",),
        ("export", "person.ply", "--out", "a.gif", "--size", "32", "--frames", "2"),
    ],
)
def test_a_pipe_gets_nothing(words, person, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(list(words)) == 0
    assert capsys.readouterr().err == ""
