"""docs/new-system.md as it stands: the files that it writes are all that a system is, they run, and
every command knows them."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from checkouts import FILES, WORKFLOW, said
from cluster import wait_until
from new_system import PAGE, files, write_system
from PIL import Image
from workspace import ROOT, STANDINS, TINT, Workspace

sys.path.append(str(ROOT / "tests/docs"))
from doc_commands import SHELL, commands
from doc_pages import blocks
from test_architecture import drawing, faults, imports, namings

PLACES = ("hgm/systems/tint", "rules", "scripts/tint", "config/tint", "tests/systems/tint")
GENERATED = {"docs/config/tint.md", "config/schema/tint.json"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A whole checkout with the page's system, and what `make config` writes for it."""
    folder = tmp_path_factory.mktemp("system") / "checkout"
    write_system(folder, (*FILES, "docs", "mkdocs.yml"))
    said(folder, "-m", "hgm.cli", "config", "--write")
    return folder


def texts(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The files of a checkout with their content."""
    places = [folder / name for name in names]
    found = [path for place in places for path in (place, *place.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if "__pycache__" not in path.parts
    }


def test_it_is_one_folder_in_five_places_and_a_name(checkout):
    """Apart from generated files; among these, the command's reference names every system."""
    names = (*WORKFLOW, "docs")
    before, after = texts(ROOT, names), texts(checkout, (*names, "tests"))
    new = set(after) - set(before)
    assert new == set(files()) | GENERATED
    assert all(name.startswith(PLACES) for name in new - GENERATED)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"hgm/systems/__init__.py", "docs/reference.md"}


def test_it_has_the_style_of_the_others(checkout):
    paths = [name for name in files() if name.endswith(".py")]
    said(checkout, "-m", "ruff", "check", "--no-cache", *paths)
    said(checkout, "-m", "ruff", "format", "--no-cache", "--check", *paths)
    said(checkout, "-m", "snakefmt", "--check", "rules/tint.smk")


def test_its_test_passes(checkout):
    assert "1 passed" in said(
        checkout, "-m", "pytest", "-p", "no:cacheprovider", "tests/systems/tint"
    )


def test_the_house_stands_with_it(checkout):
    """It needs a box with its arrows in the drawing; nothing shared names it, nor does HGM."""
    boxes, arrows = drawing()
    code = imports(checkout / "hgm")
    assert faults(boxes | {"tint"}, {**arrows, "tint": code["tint"]}, code) == []
    assert not any("tint" in there for there in code.values())
    for file in (checkout / "hgm").rglob("*.py"):
        parts = file.relative_to(checkout / "hgm").parts
        if parts[0] != "systems":
            assert namings(file.read_text(), ("hgm", "tint"), None) == [], file


def test_a_configuration_is_of_one_system(tint_calm, tmp_path):
    """What is wrong is said in one line: a section of the other, two systems, an unknown one."""
    for text, told in (
        ("system: tint\ncoarse: {steps: 3}\n", "coarse: a section of hgm, and this is a conf"),
        (
            "system: tnt\n",
            "system: 'tnt' is not known; expected one of hgm, animatable, monogaussian, "
            "posegaussian, tint",
        ),
    ):
        (tmp_path / "wrong.yaml").write_text(text)
        done = tint_calm.hgm("config", "--check", tmp_path / "wrong.yaml")
        assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1
    (tmp_path / "wrong.yaml").write_text("system: hgm\n")
    done = tint_calm.hgm("plan", *TINT[:2], tmp_path / "wrong.yaml")
    assert done.returncode == 1 and "one run is of one system" in done.stderr


def test_a_killed_run_goes_on_to_the_same_bytes(tint_calm, tmp_path):
    space = Workspace(tmp_path / "work", tint_calm.root)
    for sign in ("points/train000", "logs/field.log"):
        head = space.start(*TINT, imports=STANDINS)
        wait_until((space.results / sign).exists, sign)
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
    space.run(*TINT)
    assert space.products() == tint_calm.products()
    assert "Nothing to be done" in space.run(*TINT)


def test_every_command_knows_its_run(tint_calm, tmp_path):
    space = tint_calm.copied_to(tmp_path / "work")
    run = ("--run", "results/tiny")
    status = space.hgm("status", *run).stdout
    assert re.search(r"^field +1 ", status, re.MULTILINE) and status.endswith("Finished.\n")
    plan = space.hgm("plan", *TINT[:2]).stdout
    assert re.search(r"^points +3 +0 .* done$", plan, re.MULTILINE) and "disk" not in plan
    pruned = space.hgm("prune", *run, "--dry-run").stdout
    assert "results/tiny/state/field" in pruned and "standin" in pruned
    doctor = space.hgm("doctor", *TINT[:2])
    assert "THuman2.0 scans" in doctor.stdout and "ControlNet" not in doctor.stdout
    replayed = space.hgm("replay", "results/tiny/logs/points/train000.job.json")
    assert replayed.returncode == 0, replayed.stderr
    exported = space.folder / "person.spz"
    person = "results/tiny/subjects/learned/0505"
    assert space.hgm("export", person, "--out", exported).returncode == 0
    assert exported.stat().st_size > 0
    longer = space.hgm("plan", "--configfile", "config/tint/demo.yaml").stdout
    # a run of 20 steps says nothing about 2,000
    assert re.search(r"^field .* not known$", longer, re.MULTILINE)
    photo = space.folder / person / "novel_00.png"
    done = space.hgm("reconstruct", photo, *run, "--out", tmp_path / "mine")
    assert done.returncode == 1 and "is a run of system tint; expected one of hgm" in done.stderr


def test_another_texture_gives_other_points(tint_calm, tmp_path):
    space = tint_calm.copied_to(tmp_path / "work")
    [texture] = space.results.glob("standin/THuman2.0_Release/0000/*.jpeg")
    points = space.results / "points/train000/0000/points.safetensors"
    before = points.read_bytes()
    Image.new("RGB", (128, 128), "red").save(texture)
    done = space.hgm("replay", space.results / "logs/points/train000.job.json")
    assert done.returncode == 0, done.stderr
    assert points.read_bytes() != before


def test_its_commands_work(tint_calm):
    """Those of the page."""
    found = [c for b in blocks(PAGE) if b.language in SHELL for c in commands(b)]
    words = [command.words[1:] for command in found if command.words[0] == "hgm"]
    assert {verb for verb, *_ in words} == {"status", "plan"}
    for one in words:
        done = tint_calm.hgm(*one)
        assert done.returncode == 0, done.stderr


def test_what_no_run_has_measured_is_not_known(tint_calm, tmp_path):
    """It says nothing of its work, so that a plan has only what earlier runs took."""
    space = Workspace(tmp_path / "work", tint_calm.root)
    plan = space.hgm("plan", *TINT[:2]).stdout
    assert re.search(r"^field +1 +1 +- .*not known$", plan, re.MULTILINE)
    assert "no run has measured record, body_model, standin" in plan


def test_its_page_shows_the_people(tint_calm):
    page = (tint_calm.results / "report/index.html").read_text()
    assert "The color at a position" in page and "learned, front" in page and "Color field" in page
    assert "Stand-in humans" in page and "PSNR" in page
    for name in re.findall(r'src="(assets/[^"]+)"', page):
        assert (tint_calm.results / "report" / name).stat().st_size > 0
