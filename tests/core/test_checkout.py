"""What belongs to the checkout is found from any folder; a file of the working folder goes before
it."""

import shutil

import pytest
from checkouts import ROOT

from hgm.cli import main
from hgm.core import checkout
from hgm.errors import InputError
from hgm.scans.catalogue import parse_ids
from hgm.workflow import configuration

SPLIT = "resources/splits/humman_sherf_test.txt"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_list_of_ids(elsewhere):
    assert len(parse_ids(SPLIT)) == 22
    (elsewhere / SPLIT).parent.mkdir(parents=True)
    (elsewhere / SPLIT).write_text("0007\n")
    assert parse_ids(SPLIT) == ["0007"]
    with pytest.raises(
        InputError, match=r"scans.test: cannot read the list mine.txt \(.*'mine.txt'\)"
    ):
        parse_ids("mine.txt", "scans.test")


def test_the_configuration_that_others_change(elsewhere, monkeypatch):
    assert checkout.default_config() == checkout.ROOT / "config.yaml"
    (elsewhere / "checkout").mkdir()
    (elsewhere / "checkout/config.yaml").write_text("run: theirs\n")
    monkeypatch.setattr(checkout, "ROOT", elsewhere / "checkout")
    assert configuration.read_files([]).run == "theirs"
    (elsewhere / "config.yaml").write_text("run: mine\n")
    assert configuration.read_files([]).run == "mine"


def test_generated_files_go_to_the_checkout(elsewhere, monkeypatch):
    (elsewhere / "checkout").mkdir()
    (elsewhere / "checkout/config.yaml").write_text("seed: 3\nrefine: {side: 1.0, front: 2.0}\n")
    for demo in (ROOT / "config").glob("*/demo.yaml"):
        place = elsewhere / "checkout" / demo.relative_to(ROOT)
        place.parent.mkdir(parents=True)
        shutil.copyfile(demo, place)
    monkeypatch.setattr(checkout, "ROOT", elsewhere / "checkout")
    assert main(["config", "--write"]) == 0
    demo = configuration.read(elsewhere / "checkout/config.yaml")
    assert demo == {"seed": 3, "refine": {"front": 2.0}}
    assert [path.name for path in elsewhere.iterdir()] == ["checkout"]
    assert {path.name for path in (elsewhere / "checkout").iterdir()} == {
        "config.yaml",
        "config",
        "docs",
    }
