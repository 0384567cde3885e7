"""Keys of code: what changes them and what does not."""

import json

import pytest

from hgm.core import code_keys
from hgm.core.checkout import script_of
from hgm.core.code_keys import code_files, code_key
from hgm.core.manifests import PACKAGE


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of its own in place of hgm."""
    root = tmp_path / "pkg"
    (root / "nets").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "nets" / "__init__.py").write_text("from pkg.nets.unet import net\n")
    (root / "nets" / "unet.py").write_text(
        "from ..basis import one\ndef net():\n    return one()\n"
    )
    (root / "basis.py").write_text("def one():\n    return 1\n")
    (root / "mesh.py").write_text("def mesh():\n    return 2\n")
    (tmp_path / "train.py").write_text(
        "def main():\n    from pkg.nets import net\n    return net()\n"
    )
    monkeypatch.setattr(code_keys, "PACKAGE", root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
    yield tmp_path
    forget()


def forget():
    """As in a new process."""
    for known in (code_keys._parsed, code_keys._memory, code_keys._module_file):
        known.cache_clear()


def key(package):
    forget()
    return code_key(package / "train.py")


def test_the_import_closure_is_followed(package):
    names = [p.relative_to(package).as_posix() for p in code_files(package / "train.py")]
    assert names == [
        "pkg/__init__.py",
        "pkg/basis.py",
        "pkg/nets/__init__.py",
        "pkg/nets/unet.py",
        "train.py",
    ]


def test_the_description_of_a_setting_leaves_the_key_and_its_default_does_not(package):
    setting = 'def one():\n    return described({}, "{}", ge=0)\n'
    (package / "pkg" / "basis.py").write_text(setting.format(1, "a number"))
    before = key(package)
    (package / "pkg" / "basis.py").write_text(setting.format(1, "how many"))
    assert key(package) == before
    (package / "pkg" / "basis.py").write_text(setting.format(2, "how many"))
    assert key(package) != before


def test_comments_docstrings_and_formatting_leave_the_key(package):
    before = key(package)
    (package / "pkg" / "basis.py").write_text(
        '"""Words."""\n\n# a remark\ndef one( ):\n    """More."""\n    return (1)\n'
    )
    assert key(package) == before


def test_code_changes_the_key_only_where_it_is_imported(package):
    before = key(package)
    (package / "pkg" / "mesh.py").write_text("def mesh():\n    return 3\n")
    assert key(package) == before
    (package / "pkg" / "basis.py").write_text("def one():\n    return 2\n")
    assert key(package) != before


def test_a_job_hangs_on_the_settings_of_its_own_sections_only():
    """A new key of one section would otherwise run every training again."""

    def sections(script: str) -> set[str]:
        entry = script_of(script, "hgm")
        files = [f.relative_to(PACKAGE).as_posix() for f in code_files(entry) if f != entry]
        assert not {"workflow/configuration.py", "systems/hgm/settings.py"} & {*files}
        found = {f for f in files if "/sections/" in f or f.endswith("settings.py")}
        return found - {"core/settings.py", "systems/hgm/sections/__init__.py"}

    ours = "systems/hgm/sections"
    assert sections("standin") == sections("catalogue") == set()
    assert sections("render") == {"render/settings.py"}
    assert sections("coarse") == {"train/settings.py", f"{ours}/training.py"}
    assert sections("normals") == {"train/settings.py", f"{ours}/normals.py"}
    assert f"{ours}/bodies.py" in sections("refine") - sections("pairs") - sections("mesh")
    assert "mesh/settings.py" in sections("mesh") - sections("refine")


def test_what_an_earlier_process_learned_changes_no_key(package):
    first = key(package)
    memory = package / "cache/hgm/code_keys.json"
    assert len(json.loads(memory.read_text())) == 5
    stamp = memory.stat().st_mtime_ns
    assert key(package) == first and memory.stat().st_mtime_ns == stamp
    memory.write_text("{damaged")
    assert key(package) == first and len(json.loads(memory.read_text())) == 5
    memory.parent.chmod(0o500)
    (package / "pkg" / "basis.py").write_text("def one():\n    return 2\n")
    assert key(package) != first
    memory.parent.chmod(0o700)
