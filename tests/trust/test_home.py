"""What a run leaves names no user, host, environment or home folder, and is read again on another
machine."""

import getpass
import json
import platform
from dataclasses import asdict
from pathlib import Path

import pytest

from hgm.core.home_paths import with_home, without_home
from hgm.core.job import Job, load_job
from hgm.core.manifests import read_json, run_record, write_json
from hgm.scans.catalogue import read_table, write_table
from hgm.workflow import configuration
from hgm.workflow.finished import finished_config


@pytest.fixture
def home(monkeypatch) -> str:
    monkeypatch.setenv("HOME", "/home/ada")
    return "/home/ada"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ada/data/x.obj", "~/data/x.obj"),
        ("/home/ada/a: gone; /home/ada/b", "~/a: gone; ~/b"),
        ("no '/home/ada/x'", "no '~/x'"),
        ("/home/adam/x", "/home/adam/x"),
        ("/mnt/home/ada/x", "/mnt/home/ada/x"),
        ("x/home/ada/y", "x/home/ada/y"),
        ("", ""),
        ("~/x", "~/x"),
        ("(/home/ada/x)", "(~/x)"),
        ("line\n/home/ada/x", "line\n~/x"),
        ("/home/ada", "/home/ada"),
    ],
)
def test_paths_below_the_home_folder_are_shortened_where_they_begin(home, text, shown):
    assert without_home(text) == shown
    assert without_home({"a": [text, 1, None, {"b": (text,)}]}) == {
        "a": [shown, 1, None, {"b": [shown]}]
    }


@pytest.mark.parametrize("folder", ["/", ""])
def test_without_a_home_folder_nothing_changes(folder, monkeypatch):
    monkeypatch.setenv("HOME", folder)
    assert without_home("/data/x") == "/data/x"


def test_paths_come_back_on_another_machine(home, monkeypatch):
    data = {"root": f"{home}/data", "images": [f"{home}/a.png", "b.png"], "size": 3}
    shown = without_home(data)
    assert home not in json.dumps(shown)
    assert with_home(shown) == data
    monkeypatch.setenv("HOME", "/home/bob")
    assert with_home(shown)["root"] == "/home/bob/data" and with_home("~x/y") == "~x/y"


def test_a_configuration_may_name_the_home_folder_by_its_sign(home):
    found = configuration.resolve({"scans": {"root": "~/THuman2.0"}, "images": ["~/a.png"]})
    assert found["scans"]["root"] == "/home/ada/THuman2.0" and found["images"] == [
        "/home/ada/a.png"
    ]


def test_records_tables_and_jobs_hide_it_and_know_it_again(home, tmp_path):
    wanted = configuration.resolve(
        {"scans": {"root": f"{home}/data"}, "weights": {"vgg16": f"{home}/vgg.pth"}}
    )
    write_json(tmp_path / "run.json", run_record(wanted))
    assert finished_config(tmp_path) == wanted
    write_table(
        tmp_path / "rejected.tsv", ["scan", "reason"], [("0000", f"{home}/data/0000.obj: gone")]
    )
    assert read_table(tmp_path / "rejected.tsv") == [
        {"scan": "0000", "reason": "~/data/0000.obj: gone"}
    ]
    job = Job("render", {"a": f"{home}/a"}, {"b": "b"}, {"scans": {"root": f"{home}/data"}})
    write_json(tmp_path / "job.json", asdict(job))
    assert load_job(tmp_path / "job.json") == job
    for path in tmp_path.iterdir():
        assert home not in path.read_text(), path


def test_a_record_names_no_machine_user_or_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("HGM_TOKEN", "token-7c41")
    monkeypatch.setattr(platform, "node", lambda: "host-9d02")
    monkeypatch.setattr(
        platform, "uname", lambda: platform.uname_result("Linux", "host-9d02", "6", "1", "x86_64")
    )
    monkeypatch.setattr(getpass, "getuser", lambda: "user-b26f")
    write_json(tmp_path / "run.json", run_record(configuration.resolve({})))
    text = (tmp_path / "run.json").read_text()
    assert not [
        mark
        for mark in ("token-7c41", "host-9d02", "user-b26f", str(Path.home()) + "/", str(tmp_path))
        if mark in text
    ]
    assert set(read_json(tmp_path / "run.json")) == {
        "system",
        "config",
        "config_key",
        "git",
        "versions",
        "python",
        "machine",
    }
