import json
import sys

import pytest

from hgm.core.keys import file_digest, folder_digest, key_of
from hgm.core.manifests import PACKAGE, read_json, run_record, write_json
from hgm.errors import InputError


def test_manifests_depend_on_the_data_only(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1, 2]})
    write_json(tmp_path / "b.json", {"a": [1, 2], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": [1, 2], "b": 1}


def test_a_broken_manifest_is_one_clear_error(tmp_path):
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(InputError, match=r"m\.json.*run again"):
        read_json(tmp_path / "m.json")


def test_keys_ignore_order_and_see_values():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_folder_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "x").write_text("1")
    first = folder_digest(tmp_path)
    (tmp_path / "x").rename(tmp_path / "y")
    assert folder_digest(tmp_path) != first
    (tmp_path / "y").rename(tmp_path / "x")
    assert folder_digest(tmp_path) == first
    (tmp_path / "mark").write_text("z")
    assert folder_digest(tmp_path, skip=["mark"]) == first


def test_folder_digest_follows_links_and_ends_at_loops(tmp_path):
    real = tmp_path / "real"
    linked = tmp_path / "linked"
    (real / "unet").mkdir(parents=True)
    linked.mkdir()
    (real / "unet" / "weights").write_text("1")
    (linked / "unet").symlink_to(real / "unet")
    before = folder_digest(linked)
    assert before == folder_digest(real)  # the same names and bytes
    (real / "unet" / "weights").write_text("2")
    assert folder_digest(linked) != before
    for name, target in (
        ("back", linked),
        ("self", linked / "self"),
        ("nowhere", tmp_path / "nowhere"),
    ):
        (linked / name).symlink_to(target)
    assert folder_digest(linked) == folder_digest(real)


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert (
        file_digest(tmp_path / "x")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_run_record_names_versions_and_no_path():
    record = run_record({"run": "x"})
    assert (
        record["python"] == ".".join(map(str, sys.version_info[:3])) and record["versions"]["torch"]
    )
    assert str(PACKAGE.parent) not in json.dumps(record)
