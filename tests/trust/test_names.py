"""Names that a user or a file gives: refused in one line or made safe before they become
folders."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import ROOT, WORKFLOW, copy_checkout
from hostile_names import FOLDER, NAME, PWNED

from hgm.errors import InputError
from hgm.images.photos.sources import find_photos
from hgm.images.video import write_video
from hgm.scans.catalogue import read_entries
from hgm.systems.hgm.plan import Plan
from hgm.workflow import configuration


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/b",
        "",
        "-x",
        "--help",
        ".",
        "..",
        ".git",
        "a\n",
        "a b",
        "a\\b",
        "é",
        "$(x)",
        "x" * 101,
        "a\0",
    ],
)
def test_a_run_of_a_hostile_name_is_refused(name):
    with pytest.raises(InputError, match=r"^run: ") as caught:
        configuration.resolve({"run": name})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["demo", "A-b_c.9", "x" * 100])
def test_a_run_of_a_plain_name_is_not(name):
    assert configuration.resolve({"run": name})["run"] == name


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "a\n", "a b", "<b>", "x.y", "full"])
def test_a_method_of_a_hostile_name_is_refused(name):
    with pytest.raises(InputError, match=r"^evaluate\.baselines"):
        configuration.resolve({"evaluate": {"baselines": {name: "x"}}})


@pytest.mark.parametrize("name", ["../x", "/x", "..", ".", "a/b", "a\0b", "a\x1b[31m"])
def test_a_table_of_scans_that_names_no_folder_is_refused(name, tmp_path):
    for column in (0, 2):
        row = ["0000", "train", "train000"]
        row[column] = name
        (tmp_path / "scans.tsv").write_text("scan\tsplit\tchunk\n" + "\t".join(row) + "\n")
        with pytest.raises(InputError, match=r"scans\.tsv: "):
            read_entries(tmp_path / "scans.tsv")


@pytest.mark.parametrize(
    "name", ["...png", "..png", "manifest.json.png", "contact.png.jpg", "-x.png", f"{NAME}.png"]
)
def test_the_results_of_a_photo_lie_in_a_folder_of_their_own(name, tmp_path):
    (tmp_path / name).touch()
    (photo,) = find_photos([tmp_path / name])
    assert Path(photo.name).name == photo.name and photo.name not in (
        "..",
        "",
        "manifest.json",
        "contact.png",
    )


@pytest.mark.parametrize("bad", list("{}<>"))
def test_input_files_that_snakemake_would_take_for_patterns_are_named(bad, tmp_path):
    folder = tmp_path / f"a{bad}b"
    folder.mkdir()
    (folder / "a.png").touch()
    for key, section in (
        ("images", {"images": [str(folder)], "evaluate": {"variants": ["no_body"]}}),
        ("evaluate.baselines.sith", {"evaluate": {"baselines": {"sith": str(folder)}}}),
    ):
        with pytest.raises(InputError, match=rf"^{key}: .*holds '{bad}'.*rename it"):
            Plan(section)


@pytest.mark.parametrize("name", ["a:b", FOLDER.replace("\n", " "), "concat:x", "-y"])
def test_a_video_lies_where_it_should(name, tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.chdir(tmp_path)
    write_video(Path(f"{name}.mp4"), [np.zeros((16, 16, 3), np.uint8)] * 2)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.mp4"]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout in a folder of any name."""
    return lambda name: copy_checkout(tmp_path / name, WORKFLOW)


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [
        sys.executable,
        "-m",
        "snakemake",
        *arguments,
        "--nolock",
        "--cores",
        "1",
        "--configfile",
        "config/hgm/tiny.yaml",
    ]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_checkout_of_a_hostile_name_runs_its_own_code(checkout):
    """A job's script and the package come from that folder, and nothing that its name says is
    run."""
    folder = checkout(NAME.replace(":", ""))
    with open(folder / "hgm/standin/body/core.py", "a") as file:
        file.write("\nopen('mine', 'w').close()\n")
    done = snakemake(folder, "results/tiny/standin/models.json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "mine").exists() and not list(folder.parent.rglob(PWNED))


@pytest.mark.parametrize(("name", "bad"), [("a{b", "{"), ("a{{b}}", "{"), ("a:b", ":")])
def test_a_checkout_that_snakemake_cannot_take_is_named_before_anything_runs(name, bad, checkout):
    folder = checkout(name)
    done = snakemake(folder)
    assert (
        done.returncode != 0
        and "Traceback" not in done.stderr
        and not (folder / "results").exists()
    )
    line = next(x for x in done.stderr.splitlines() if x.startswith("configuration: "))
    assert str(folder) in line and f"holds '{bad}'" in line and "move the checkout" in line


def test_the_makefile_starts_no_launcher():
    recipes = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")
    ]
    assert any("$(BIN)/python -m snakemake" in line for line in recipes)
    assert not [
        line for line in recipes if re.search(r"(\$\(BIN\)|\.venv[a-z-]*/bin)/(?!python )", line)
    ]
