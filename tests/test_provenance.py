import json
import sys

import pytest

from hgm import provenance
from hgm.errors import InputError
from hgm.provenance import PACKAGE, code_files, code_key, file_digest, folder_digest, key_of, read_json, write_json


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of its own in place of hgm."""
    root = tmp_path / "pkg"
    (root / "nets").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "nets" / "__init__.py").write_text("from pkg.nets.unet import net\n")
    (root / "nets" / "unet.py").write_text("from ..basis import one\ndef net():\n    return one()\n")
    (root / "basis.py").write_text("def one():\n    return 1\n")
    (root / "mesh.py").write_text("def mesh():\n    return 2\n")
    (tmp_path / "train.py").write_text("def main():\n    from pkg.nets import net\n    return net()\n")
    monkeypatch.setattr(provenance, "PACKAGE", root)
    return tmp_path


def key(package):
    provenance._parsed.cache_clear()
    return code_key(package / "train.py")


def test_the_import_closure_is_followed(package):
    names = [p.relative_to(package).as_posix() for p in code_files(package / "train.py")]
    assert names == ["pkg/__init__.py", "pkg/basis.py", "pkg/nets/__init__.py", "pkg/nets/unet.py", "train.py"]


def test_comments_docstrings_and_formatting_leave_the_key(package):
    before = key(package)
    (package / "pkg" / "basis.py").write_text('"""Words."""\n\n# a remark\ndef one( ):\n    """More."""\n    return (1)\n')
    assert key(package) == before


def test_code_changes_the_key_only_where_it_is_imported(package):
    before = key(package)
    (package / "pkg" / "mesh.py").write_text("def mesh():\n    return 3\n")
    assert key(package) == before
    (package / "pkg" / "basis.py").write_text("def one():\n    return 2\n")
    assert key(package) != before


def test_this_package_has_a_closure_without_the_configuration_model():
    files = code_files(PACKAGE / "train" / "loop.py")
    assert PACKAGE / "runtime.py" in files and PACKAGE / "config.py" not in files


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


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_run_record_names_versions_and_no_path():
    record = provenance.run_record({"run": "x"})
    assert record["python"] == ".".join(map(str, sys.version_info[:3])) and record["versions"]["torch"]
    assert str(PACKAGE.parent) not in json.dumps(record)
