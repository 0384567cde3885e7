"""The `hgm` commands of the docs that work on results, each run as it stands on a finished run of
the tiny preset."""

import io
import shutil
import sys
from glob import glob
from pathlib import Path

import pytest
from PIL import Image
from workspace import ROOT, Workspace

from hgm.cli import main
from hgm.core.keys import folder_digest
from hgm.systems.hgm import starter

sys.path.append(str(ROOT / "tests/docs"))
from doc_commands import SHELL, commands
from doc_pages import PAGES, blocks

ON_RESULTS = ("reconstruct", "export", "export-views", "status", "plan", "prune", "replay")
FOUND = sorted(
    {
        command.words[1:]
        for page in PAGES
        if page.name != "new-system.md"  # its commands are run by test_new_system.py
        for block in blocks(page)
        if block.language in SHELL
        for command in commands(block)
        if command.words[0] == "hgm" and command.words[1] in ON_RESULTS
    }
)
PHOTOS = ("photo.jpg", "photo.png", "portrait.png", "holiday/ann.png", "photos/ann.png")


@pytest.fixture(scope="module")
def folder(calm: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run under the name that the docs use, and the files of a user."""
    space = calm.copied_to(tmp_path_factory.mktemp("documented") / "work").folder
    (space / "results/demo").symlink_to("tiny")
    subject = space / "results/demo/subjects/full/0505"
    body = space / "results/demo/bodies/estimated/0505/smplx.npz"
    for name in PHOTOS:
        path = space / name
        path.parent.mkdir(exist_ok=True)
        with Image.open(subject / "input.png") as photo:
            photo.convert("RGB").save(path, quality=98)
        shutil.copyfile(body, path.with_suffix(".npz"))
    shutil.copyfile(body, space / "smplx.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(space)
        assert main(["export", str(subject), "--out", "person.spz"]) == 0
        assert main(["export-weights", "--run", "results/demo", "--out", "weights"]) == 0
    return space


def test_the_docs_have_such_commands():
    assert len(FOUND) > 12 and {words[0] for words in FOUND} == set(ON_RESULTS)


@pytest.mark.parametrize("words", FOUND, ids=" ".join)
def test_a_documented_command_works_on_a_finished_run(folder, words, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))  # for prune, which asks
    monkeypatch.setattr(starter, "starter_folder", lambda: Path("weights"))
    before = folder_digest(folder / "results/tiny")
    expanded = [name for word in words for name in (sorted(glob(word)) if "*" in word else [word])]
    made = [Path(words[i + 1]) for i, word in enumerate(words) if word == "--out"]
    for path in made:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    assert main(expanded) == 0, capsys.readouterr().err
    assert all(path.stat().st_size if path.is_file() else list(path.rglob("*.*")) for path in made)
    assert words[0] == "replay" or folder_digest(folder / "results/tiny") == before
    if words[0] == "reconstruct":
        assert (made[0] / "contact.png").is_file()
