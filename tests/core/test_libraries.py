"""Libraries that a slim system lacks: found by the dynamic linker, named with their packages,
before anything runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from checkouts import copy_checkout, make_environment

from hgm.cli import main
from hgm.core import isolation, libraries
from hgm.core.libraries import absent, debian_package, explain, lacking, missing_libraries
from hgm.workflow.configuration import parse
from hgm.workflow.doctor import environment

GL = "libGL.so.1"


@pytest.fixture
def needy(tmp_path) -> Path:
    """A compiled file that needs libY.so.6, which no system has, in the place of libm.so.6."""
    if shutil.which("ldd") is None:
        pytest.skip("no ldd")
    for source in sorted(
        Path(numpy.__file__).parent.rglob("*.so"), key=lambda path: path.stat().st_size
    ):
        data = source.read_bytes()
        if b"\0libm.so.6\0" in data:
            (tmp_path / "needy.so").write_bytes(data.replace(b"\0libm.so.6\0", b"\0libY.so.6\0"))
            return tmp_path / "needy.so"
    pytest.skip("no compiled file that needs libm")


def test_the_linker_is_asked(needy):
    assert absent([needy]) == ["libY.so.6"] and absent([]) == [] and absent([numpy.__file__]) == []


def test_this_system_has_what_its_packages_need():
    """Where it has not, the other tests cannot run either."""
    assert missing_libraries() == []


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libX11.so.6", "libx11-6"),
        ("libXrender.so.1", "libxrender1"),
        ("libXfixes.so.3", "libxfixes3"),
        ("libXi.so.6", "libxi6"),
        ("libxkbcommon.so.0", "libxkbcommon0"),
        ("libSM.so.6", "libsm6"),
        ("libICE.so.6", "libice6"),
        (GL, "libgl1"),
        ("libgomp.so.1", "libgomp1"),
        ("libXext.so.6", "libxext6"),
        ("libudev.so.1", "libudev1"),
        ("libstdc++.so.6", "libstdc++6"),
        ("libgcc_s.so.1", "libgcc-s1"),
        ("libz.so.1", "zlib1g"),
    ],
)
def test_packages_are_called_as_debian_calls_them(library, package):
    assert debian_package(library) == package
    found = shutil.which("dpkg-query") and subprocess.run(
        ["dpkg-query", "--search", f"*/{library}"], capture_output=True, text=True
    )
    if found and found.returncode == 0:  # the system's own word, where it has the library
        assert package in {line.split(":")[0] for line in found.stdout.splitlines()}


def test_the_advice_is_that_of_the_system(monkeypatch):
    have: set[str] = set()
    monkeypatch.setattr(
        libraries.shutil, "which", lambda name: f"/usr/bin/{name}" if name in have else None
    )
    assert "apt-get install --no-install-recommends libgl1 libx11-6 " in str(
        lacking(["libX11.so.6", GL, GL])
    )
    have.add("dnf")
    assert "dnf install 'libGL.so.1()(64bit)' 'libX11.so.6()(64bit)' " in str(
        lacking(["libX11.so.6", GL])
    )
    have.add("apt-get")
    assert "apt-get install" in str(lacking([GL])) and "\n" not in str(lacking([GL]))


def test_a_failed_import_is_explained():
    line = explain(ImportError(f"{GL}: cannot open shared object file: No such file or directory"))
    assert GL in str(line) and "libgl1" in str(line)
    assert explain(ImportError("No module named 'x'")) is None


def test_make_says_so_before_anything_runs(needy, tmp_path):
    folder = copy_checkout(tmp_path / "checkout")
    packages = make_environment(folder)
    (packages / "bpy").mkdir()
    needy.rename(packages / "bpy/__init__.so")
    for words in (["demo"], ["run", "ARGS=--configfile config/hgm/tiny.yaml"]):
        done = subprocess.run(
            ["make", f"PYTHON={sys.executable}", *words], cwd=folder, capture_output=True, text=True
        )
        [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert done.returncode != 0 and "libY.so.6" in line and "snakemake" not in done.stdout
        assert not (folder / "results").exists() and not (folder / ".snakemake").exists()
    planned = subprocess.run(
        [
            "make",
            f"PYTHON={sys.executable}",
            "run",
            "ARGS=--dry-run --configfile config/hgm/tiny.yaml",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert planned.returncode == 0 and "This was a dry-run" in planned.stdout, planned.stderr


def without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bpy and open3d be packages that fail as without a library, in other processes too."""
    for name in ("bpy", "open3d"):
        (folder / f"{name}.py").write_text(
            f"raise ImportError('{GL}: cannot open shared object file: No such file or "
            "directory')\n"
        )
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(isolation, "ROOT", folder)  # what every process of this package is given
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    )


def test_the_doctor_imports_for_real(tmp_path, monkeypatch):
    """Whatever the shell names: jobs do not see it either."""
    environment._import_fault.cache_clear()
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    [sound] = [
        f for f in environment.check_environment(parse({})) if f.title == "libraries of the system"
    ]
    assert (sound.state, sound.note) == ("intact", "bpy and open3d can be imported")
    environment._import_fault.cache_clear()
    without(tmp_path, monkeypatch)
    [found] = [
        f for f in environment.check_environment(parse({})) if f.title == "libraries of the system"
    ]
    environment._import_fault.cache_clear()
    assert found.fault and "libgl1" in found.note and "bpy" in found.note and "open3d" in found.note
    monkeypatch.setattr(environment, "missing_libraries", lambda: ["libX11.so.6"])
    [found] = [
        f for f in environment.check_environment(parse({})) if f.title == "libraries of the system"
    ]
    assert found.fault and "libx11-6" in found.note


def test_a_command_and_a_job_say_it_in_one_line(tmp_path, monkeypatch, capsys):
    without(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["standin", "--ids", "0000", "--texture", "128", "--out", "scans"]) == 1
    assert (
        (said := capsys.readouterr().err).startswith("error: ")
        and said.count("\n") == 1
        and "libgl1" in said
    ), said
    (tmp_path / "rule.py").write_text(
        "from hgm.core.job import run\ndef main(job):\n    import open3d\nrun(main)\n"
    )
    (tmp_path / "job.json").write_text('{"rule": "r", "input": {}, "output": {}, "params": {}}')
    done = subprocess.run([sys.executable, "rule.py", "job.json"], capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stderr.startswith("error: ")
        and done.stderr.count("\n") == 1
        and "libgl1" in done.stderr
    )
