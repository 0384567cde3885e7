"""The whole command: environment, health of a run, table, exit status."""

import fcntl
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hgm.cli import main
from hgm.core.items import for_each
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.workflow.configuration import parse, read_files
from hgm.workflow.doctor import environment
from hgm.workflow.doctor.environment import LOCK, check_environment, locked
from hgm.workflow.doctor.findings import Finding, first_few, table
from hgm.workflow.doctor.health import check_health, marked_incomplete, orphans


def states(findings: list[Finding]) -> dict[str, str]:
    return {f.title: f.state for f in findings}


def test_the_table_has_one_line_a_finding():
    text = table(
        [
            Finding("a thing", "missing", "get\nit", ("coarse",)),
            Finding("b", "intact", rules=tuple("abcdefghijklmnop")),
        ]
    )
    lines = text.splitlines()
    assert (
        lines[0].split() == ["asset", "needed", "by", "state", "next", "step"] and len(lines) == 4
    )
    assert (
        lines[2].endswith("missing  get it")
        and "a, b, c" in lines[3]
        and lines[3].rstrip().endswith("-")
        and "…" in lines[3]
    )
    assert (
        len({line.index(word) for line, word in zip(lines[2:], ("missing", "intact"), strict=True)})
        == 1
    )


def test_first_few():
    assert (first_few(["1"]), first_few(["1", "2", "3", "4"])) == ("(1)", "(1, 2, 3, …)")


def test_packages_are_compared_with_the_lock(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text(f"# a comment\ntorch=={torch.__version__.split('+')[0]}\n")
    found = {f.title: f for f in check_environment(parse({}), lock)}
    assert (
        found["packages of the lock"].state == "intact" and found["Python 3.11"].state == "intact"
    )
    lock.write_text("torch==0.1\npydantic\n")
    found = {f.title: f for f in check_environment(parse({}), lock)}
    assert (
        found["packages of the lock"].state == "present"
        and "locked 0.1" in found["packages of the lock"].note
    )
    lock.write_text("torch==0.1\nno-such-package==1.0\n")
    packages = {f.title: f for f in check_environment(parse({}), lock)}["packages of the lock"]
    assert packages.fault and "1 of 2 are not installed (no-such-package==1.0)" in packages.note
    assert {f.title: f for f in check_environment(parse({}), tmp_path / "x")}[
        "packages of the lock"
    ].fault


def test_the_projects_lock_is_read():
    assert locked(LOCK)["snakemake"] and len(locked(LOCK)) > 100


def test_a_gpu_is_needed_where_one_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert states(check_environment(parse({"device": "cuda:1"})))["GPU"] == "missing"
    assert states(check_environment(parse({})))["GPU"] == "not needed"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert states(check_environment(parse({"device": "cuda"})))["GPU"] == "present"


def test_a_named_splatting_backend_has_to_be_installed(monkeypatch):
    monkeypatch.setattr(environment, "versions", lambda names: dict.fromkeys(names))
    assert states(check_environment(parse({"splat": "gsplat"})))["gsplat"] == "missing"
    assert states(check_environment(parse({})))["packages of the lock"] == "missing"


@pytest.fixture
def a_card(monkeypatch):
    """As if there were a GPU; what can be used on it is in the returned reasons."""
    reasons = {
        "gsplat": "its kernels could not be built: no CUDA toolkit",
        "diff-gaussian-rasterization": "not installed",
        "spconv": None,
    }
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr("hgm.splat.backends.hindrance", lambda name, device: reasons[name])
    monkeypatch.setattr("hgm.nets.spconv_backend.hindrance", lambda device: reasons["spconv"])
    return reasons


def test_backends_are_tried_on_a_gpu(a_card):
    def notes(**config):
        return {f.title: (f.state, f.note) for f in check_environment(parse(config))}

    state, note = notes()["splatting"]
    assert (
        state == "present"
        and "plain torch, many times slower" in note
        and "no CUDA toolkit" in note
    )
    assert notes()["sparse convolution"] == ("intact", "spconv, tried on cuda:0")
    assert notes(splat="gsplat", device="cuda")["splatting"][0] == "missing"
    # it would end the training
    assert notes(splat="numba", device="cuda")["splatting"][0] == "missing"
    assert "splatting" not in notes(device="cpu")
    a_card.update(gsplat=None, spconv="the installed build is for CPUs only")
    assert notes(device="cuda:0")["splatting"] == ("intact", "gsplat, tried on cuda:0")
    assert notes()["sparse convolution"] == (
        "present",
        "plain torch; spconv: the installed build is for CPUs only",
    )
    assert notes(network={"sparse_backend": "spconv"})["sparse convolution"][0] == "missing"


def test_two_builds_of_spconv_are_one_too_many(a_card, monkeypatch):
    has = {"spconv": "2.3.8", "spconv-cu126": "2.3.8"}
    monkeypatch.setattr(
        environment, "versions", lambda names: {name: has.get(name) for name in names}
    )
    found = {f.title: f for f in check_environment(parse({}))}["sparse convolution"]
    assert "spconv and spconv-cu126 write the same files; pip uninstall" in found.note


def test_the_build_with_cuda_takes_the_place_of_the_locks(tmp_path, monkeypatch):
    lock = tmp_path / "lock"
    lock.write_text("spconv==2.3.8\ncumm==0.7.11\n")
    has = {"spconv-cu126": "2.3.8", "cumm-cu126": "0.7.11"}
    monkeypatch.setattr(
        environment, "versions", lambda names: {name: has.get(name) for name in names}
    )
    assert states(check_environment(parse({}), lock))["packages of the lock"] == "intact"


def test_compiled_networks_need_a_compiler(monkeypatch, tmp_path):
    assert "compiler" not in states(check_environment(parse({})))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    found = {f.title: f for f in check_environment(parse({"network": {"compile": True}}))}[
        "compiler"
    ]
    assert found.state == "missing" and "network.compile: true needs a C compiler" in found.note


def test_another_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert states(check_environment(parse({})))["Python 3.11"] == "missing"


def test_the_disk_has_to_hold_the_views(monkeypatch):
    config = parse({"scans": {"train": "0-1", "val": "", "test": "2"}, "rendering": {"size": 100}})
    need = 3 * 12 * 100 * 100 * 9
    for free, state in ((need - 1, "missing"), (need, "present")):
        monkeypatch.setattr(
            environment.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free)
        )
        assert states(check_environment(config))["disk of results/"] == state


def test_a_clean_folder(tmp_path):
    assert {f.state for f in check_health(tmp_path / "results/x", tmp_path)} == {"intact"}


def test_a_lock_that_is_held(tmp_path):
    lock = tmp_path / ".snakemake.lock"
    lock.touch()
    assert states(check_health(tmp_path, tmp_path))["lock of the working folder"] == "intact"
    with open(lock) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        found = check_health(tmp_path, tmp_path)[0]
        assert found.state == "present" and "a run is working here" in found.note


def test_a_lock_that_was_left(tmp_path):
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").touch()
    found = check_health(tmp_path, tmp_path)[0]
    assert found.fault and "snakemake --unlock" in found.note


def test_marks_are_read_as_snakemake_writes_them(tmp_path):
    from snakemake.persistence.file import FilePersistence

    marks = tmp_path / ".snakemake/incomplete"
    names = ["results/demo/views/train000/manifest.json", "results/ü/" + "long/" * 60 + "x.json"]
    writer = SimpleNamespace(_fetch_max_len=lambda subject: 255)
    for name in names:
        mark = Path(FilePersistence._record_path(writer, str(marks), name))
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text("{}")
    (marks / "migration_underway").touch()
    (marks / "&").touch()
    assert sorted(marked_incomplete(tmp_path)) == sorted([*names, "&"])
    assert "the next run makes them again" in check_health(tmp_path, tmp_path)[1].note


def test_orphans_are_those_of_killed_writes(tmp_path):
    """Written by the workflow's own functions, in processes that end without warning."""
    code = """
import os, sys
from hgm.core.files import atomic_folder, atomic_write
context = (atomic_write if sys.argv[1] == "file" else atomic_folder)(sys.argv[2])
work = context.__enter__()
os._exit(9)
"""
    for kind, name in (("file", "coarse/history.tsv"), ("folder", "controlnet")):
        assert (
            subprocess.run([sys.executable, "-c", code, kind, str(tmp_path / name)]).returncode == 9
        )
    (tmp_path / "coarse/.render.json").touch()
    (tmp_path / "coarse/x.part").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    found = orphans(tmp_path)
    assert [path.parent.as_posix() for path in found] == [".", "coarse"]
    assert found[0].name.startswith(".controlnet.") and found[1].name.startswith(".history.tsv.")
    assert "delete them once no run" in check_health(tmp_path, tmp_path)[3].note


def test_files_are_merged_as_snakemake_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("seed: 1\nscans: {chunk: 3, val: '7'}\n")
    Path("a.yaml").write_text("scans: {chunk: 4}\n")
    Path("b.yaml").write_text("seed: 2\n")
    config = read_files([Path("a.yaml"), Path("b.yaml")])
    assert (config.seed, config.scans.chunk, config.scans.val) == (2, 4, "7")
    assert read_files([]).seed == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [", "not a readable YAML"),
        (b"- 1", "expected a mapping"),
        (b"\xff\xfe\x00", "not a readable YAML"),
        (b"coarse: {step: 1}", "coarse.step: unknown key"),
        (b"scans: {train: x}", "scans.train: 'x' is not an id"),
        (b"scans: {train: '0-3', test: '2'}", "scans.test: 0002 is already"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path, monkeypatch, capsys, content, words):
    monkeypatch.chdir(tmp_path)
    Path("größe 1.yaml").write_bytes(content)
    assert main(["doctor", "--configfile", "größe 1.yaml"]) == 1
    said = capsys.readouterr()
    assert (
        said.err.startswith("error: ")
        and words in said.err
        and said.err.count("\n") == 1
        and said.out == ""
    )


def test_configurations_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop.yaml").symlink_to("loop.yaml")
    for name in ("loop.yaml", "nowhere.yaml", "."):
        with pytest.raises(InputError, match="not a readable YAML"):
            read_files([Path(name)])


def test_the_demo_needs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    said = capsys.readouterr()
    assert "missing" not in said.out and said.err == ""


def test_missing_things_are_named_and_the_status_is_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("weights: {inception: there/i.pth}\n")
    assert main(["doctor", "--configfile", "c.yaml"]) == 1
    said = capsys.readouterr()
    row = next(line for line in said.out.splitlines() if line.startswith("Inception"))
    assert (
        "evaluate" in row
        and "missing" in row
        and "there/i.pth does not exist; it is free: add --fetch" in row
    )
    assert (
        said.err
        == "error: 1 of the things that run demo needs are missing or damaged: Inception of KID\n"
    )


def test_a_name_that_is_not_free(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--fetch", "body_model"]) == 1
    assert "body_model cannot be fetched freely" in capsys.readouterr().err


def test_a_product_cut_short_is_found_with_the_job_that_makes_it_again(tmp_path):
    place = tmp_path / "subjects/full/0505"

    def work(name: str, folder: Path) -> None:
        (folder / "mesh.glb").write_bytes(b"12345678")

    outcome = for_each(
        ["0505"],
        "mesh",
        folder=lambda n: place,
        key=lambda n: "k",
        work=work,
    )
    write_json(place.parent / "test000.mesh.json", outcome.manifest("mesh"))
    assert [f.state for f in check_health(tmp_path, tmp_path) if f.title == "products"] == [
        "intact"
    ]
    (place / "mesh.glb").write_bytes(b"1234")
    [found] = [f for f in check_health(tmp_path, tmp_path) if f.title == "products"]
    assert found.state == "damaged" and "(subjects/full/0505/mesh.glb)" in found.note
    assert f"run again with --forcerun {place.parent / 'test000.mesh.json'}" in found.note
