"""Each environment's pip list in a fresh virtual environment: it is whole, and all that its step
runs can be imported.

The lists hold the lock's versions (test_env_files.py), which the environment of the tests has, so
that packages are linked from there; pip itself installs the smallest list, and finds the packages
for GPUs.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import defaultdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkouts import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hgm.core.code_keys import code_files
from hgm.workflow.environments import BUNDLED, FOREIGN, OPTIONAL, read_lock, scripts, steps

GPU_LINES = set(read_lock(ROOT / "envs/gpu.lock").values())
# of make env-offline
WHEELS = (
    ["--no-index", "--find-links", str(ROOT / "wheels")]
    if list((ROOT / "wheels").glob("*.whl"))
    else []
)
PACKAGES = Path(sysconfig.get_path("purelib"))  # of the environment of the tests
OLD_PIP = "22.0.4"  # of PIXIE's Python 3.7

pytestmark = pytest.mark.slow


class Fresh:
    """A virtual environment with nothing in it."""

    def __init__(self, folder: Path, python: str | Path = sys.executable) -> None:
        self.folder = folder
        self.python = folder / "bin/python"
        self.old = python != sys.executable  # then pip has to be one for that Python
        subprocess.run(
            [str(python), "-m", "venv", *([] if self.old else ["--without-pip"]), str(folder)],
            check=True,
        )

    def run(self, *arguments: str | Path, path: str = "") -> subprocess.CompletedProcess[str]:
        """Its Python, which sees nothing of the environment that the tests run in."""
        return self._process(self.python, *arguments, path=path)

    def pip(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """pip at work on this environment."""
        if self.old:
            return self.run("-m", "pip", *arguments)
        return self._process(sys.executable, "-m", "pip", "--python", self.python, *arguments)

    def _process(self, *command: str | Path, path: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        environment.update(
            PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1", PIP_DISABLE_PIP_VERSION_CHECK="1"
        )
        return subprocess.run(
            [*map(str, command)], env=environment, cwd=self.folder, capture_output=True, text=True
        )

    def install(self, lines: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        """pip resolves the lines together with all that they need."""
        listed = self.folder / "list.txt"
        listed.write_text("\n".join(lines) + "\n")
        return self.pip("install", "--quiet", "--no-compile", *options, "-r", listed)

    def link(self, lines: list[str]) -> None:
        """The packages of the lines, as the environment of the tests has them, and nothing of what
        they need: a link to each folder that no other package writes to, else to its files."""
        (packages,) = self.folder.glob("lib/python*/site-packages")
        for line in [*lines, "setuptools"]:  # which conda's Python brings
            name = canonicalize_name(line.split("==")[0])
            for file in written_by(name):
                whole = owners()[file.parts[0]] == {name}
                place = packages / (file.parts[0] if whole else file)
                if not place.is_symlink():  # a folder that is linked already, or listed twice
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(
                        Path(sysconfig.get_path("purelib")) / place.relative_to(packages)
                    )

    def faults(self, lines: list[str]) -> list[str]:
        """What pip finds wrong with the packages that are there, and how they differ from the
        list."""
        check = self.pip("check")
        found = self.pip("freeze")
        assert found.returncode == 0, found.stderr
        return [
            *([check.stdout] if check.returncode else []),
            *differences(found.stdout.split("\n"), lines),
        ]


def written_by(package: str) -> list[metadata.PackagePath]:
    """The files of a package in the folder of packages, hence no programs beside Python."""
    return [file for file in metadata.files(package) or [] if ".." not in file.parts]


@cache
def owners() -> dict[str, set[str]]:
    """Which packages have files in each folder of the folder of packages, or are that file."""
    found: dict[str, set[str]] = defaultdict(set)
    for package in metadata.distributions():
        name = canonicalize_name(package.metadata["Name"])
        for file in written_by(name):
            found[file.parts[0]].add(name)
    return found


def differences(installed: list[str], listed: list[str]) -> list[str]:
    """Packages that are in one of two lists `name==version` only; a local version (+cpu) and what
    each Python or torch build brings of its own do not count."""

    def plain(lines: list[str]) -> set[str]:
        pairs = [line.split("==") for line in lines if "==" in line]
        return {
            f"{canonicalize_name(name)}=={version.split('+')[0]}"
            for name, version in pairs
            if not FOREIGN.fullmatch(name.lower())
        }

    return [
        *(f"not listed: {x}" for x in sorted(plain(installed) - plain(listed))),
        *(f"not installed: {x}" for x in sorted(plain(listed) - plain(installed))),
    ]


def pip_lines(name: str) -> list[str]:
    lines = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"][-1]["pip"]
    return [line for line in lines if not line.startswith("--")]


def import_lines(step: str) -> list[str]:
    """The modules of the package that a step's scripts reach, and every import statement in them
    and in the scripts, whether at the top or inside a function; not of what is optional, nor of
    what lies in bpy's own folder."""
    lines = set()
    for path in {file for script in scripts(step) for file in code_files(script)}:
        if path.is_relative_to(ROOT / "hgm"):
            lines.add(
                "import "
                f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')}"
            )
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom) and not from_future(node):
                lines.add(ast.unparse(node))
    return sorted(line for line in lines if top(line) not in {*OPTIONAL, *BUNDLED})


def from_future(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def top(line: str) -> str:
    """The package that an import statement names."""
    return re.split(r"[ .]", line)[1]


@pytest.fixture
def bare(tmp_path):
    made = Fresh(tmp_path / "environment")
    yield made
    shutil.rmtree(made.folder)


@pytest.fixture
def fresh(index, bare) -> Fresh:
    return bare


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> None:
    """Without a package index or its wheels there is nothing to install from."""
    made = Fresh(tmp_path_factory.mktemp("index") / "environment")
    asked = made.install(
        pip_lines("workflow")[:1], "--dry-run", "--no-deps", "--ignore-installed", *WHEELS
    )
    shutil.rmtree(made.folder)
    if asked.returncode and "CI" not in os.environ:
        pytest.skip("no package index within reach")


@pytest.mark.parametrize("step", sorted(steps()))
def test_a_steps_list_is_whole_and_its_code_imports(step, bare):
    lines = pip_lines(step)
    bare.link(lines)
    assert bare.faults(lines) == []
    program = bare.folder / "imports.py"
    program.write_text("\n".join([*import_lines(step), "print(hgm.__file__)"]) + "\n")
    done = bare.run(program, path=str(ROOT))
    assert done.returncode == 0 and done.stdout.split("\n")[-2] == str(ROOT / "hgm/__init__.py"), (
        done.stderr[-4000:]
    )


def test_the_workflows_list_installs_and_plans_a_run(fresh):
    lines = pip_lines("workflow")
    done = fresh.install(lines, *WHEELS)
    assert done.returncode == 0, done.stderr[-4000:]
    assert fresh.faults(lines) == []
    for name in ("hgm", "resources", "config.yaml", "config"):
        (fresh.folder / name).symlink_to(ROOT / name)
    for command in (
        ("snakemake", "--snakefile", ROOT / "Snakefile", "--dry-run"),
        ("hgm.cli", "plan"),
        ("hgm.cli", "status"),
    ):
        done = fresh.run("-m", *command, "--configfile", "config/hgm/tiny.yaml", path=str(ROOT))
        assert done.returncode == 0 and "reconstruct" in done.stdout, (
            done.stdout[-4000:] + done.stderr[-4000:]
        )


def own_metadata(name: str) -> dict[str, Any]:
    """What the environment of the tests knows of a package, in the form of pip's reports."""
    found = metadata.metadata(name)
    return {
        "name": name,
        "version": found["Version"].split("+")[0],
        "requires_dist": found.get_all("Requires-Dist"),
    }


def unmet(packages: list[dict[str, Any]], lines: list[str]) -> list[str]:
    """Requirements of packages that a list of pins does not meet, extras that are asked for
    included; not those of what is left to pip."""
    pins = {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}
    asked: dict[str, set[str]] = defaultdict(lambda: {""})
    found: set[str] = set()
    before = -1
    while before != sum(map(len, asked.values())):  # until nobody asks for a further extra
        before = sum(map(len, asked.values()))
        for package in packages:
            name = canonicalize_name(package["name"])
            for need in map(Requirement, package.get("requires_dist") or ()):
                wanted = canonicalize_name(need.name)
                if FOREIGN.fullmatch(wanted) or not any(
                    need.marker is None or need.marker.evaluate({"extra": extra})
                    for extra in asked[name]
                ):
                    continue
                asked[wanted] |= need.extras
                if wanted not in pins or not need.specifier.contains(pins[wanted]):
                    found.add(f"{name} needs {need}, listed: {pins.get(wanted)}")
    return sorted(found)


@pytest.mark.skipif(bool(WHEELS), reason="the wheels of make env-offline have none for GPUs")
@pytest.mark.parametrize("name", ["train-cu126", "photos-cu118", "train-cu130"])
def test_a_gpu_list_is_whole(name, fresh):
    """pip finds the packages that the environment of the tests lacks, or has in another version,
    and each requirement of all packages is met by a listed version: with every version pinned, a
    resolver has no more to choose. The index of torch's CUDA builds is not asked; the GPU's own
    lines are the same in all files of a variant."""
    lines = pip_lines(name)
    assert len(GPU_LINES & set(lines)) == 5
    own = read_lock(ROOT / "requirements.lock").values()
    new = [line for line in lines if line not in own]
    report = fresh.folder / "report.json"
    options = ("--dry-run", "--ignore-installed", "--no-deps", "--report", str(report))
    done = fresh.install(new, *options)
    assert done.returncode == 0, done.stderr[-4000:]
    chosen = [found["metadata"] for found in json.loads(report.read_text())["install"]]
    assert differences([f"{x['name']}=={x['version']}" for x in chosen], new) == []
    packages = [*chosen, *(own_metadata(line.split("==")[0]) for line in lines if line in own)]
    assert unmet(packages, lines) == []


def test_a_requirement_that_a_list_does_not_meet_is_found():
    packages = [
        {"name": "A_a", "requires_dist": ["b>=2", "c[more]", "nvidia-d", "e; extra == 'no'"]},
        {"name": "c", "requires_dist": ["f<3; extra == 'more'", "g; python_version < '3'"]},
        {"name": "f"},
    ]
    assert unmet(packages, ["a-a==1", "b==2.1", "c==1", "f==2"]) == []
    assert unmet(packages, ["a-a==1", "b==1.9", "c==1", "f==3"]) == [
        "a-a needs b>=2, listed: 1.9",
        'c needs f<3; extra == "more", listed: 3',
    ]
    assert unmet(packages, ["a-a==1", "b==2", "c==1"]) == [
        'c needs f<3; extra == "more", listed: None'
    ]


def python37() -> Path | None:
    """A Python 3.7, where there is one."""
    found = shutil.which("python3.7")
    places = [
        *([Path(found)] if found else []),
        *sorted(Path.home().glob(".pyenv/versions/3.7*/bin/python3.7")),
    ]
    return next(
        (
            path
            for path in places
            if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0
        ),
        None,
    )


@pytest.mark.skipif(
    python37() is None or bool(WHEELS), reason="needs Python 3.7 and a package index"
)
def test_pixies_list_installs_and_has_what_pixie_imports(tmp_path, index):
    data = yaml.safe_load((ROOT / "envs/estimators/pixie.yaml").read_text())["dependencies"]
    assert data[:2] == ["python=3.7", f"pip={OLD_PIP}"] and all(
        "==" in line for line in data[2]["pip"]
    )
    made = Fresh(tmp_path / "environment", python37())
    assert made.pip("install", "--quiet", f"pip=={OLD_PIP}", "wheel").returncode == 0
    done = made.install(data[2]["pip"])
    assert done.returncode == 0, done.stderr[-4000:]
    assert made.faults(data[2]["pip"]) == []
    done = made.run(
        "-c",
        "import chumpy, cv2, face_alignment, imageio, kornia.filters, matplotlib.cm, scipy.io, "
        "skimage.transform\n"
        "import torch.utils.cpp_extension, torchvision.models.resnet, tqdm, yacs.config, yaml\n"
        "from kornia.geometry.transform import imgwarp\n"
        "face_alignment.LandmarksType._2D",
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(made.folder)


def test_a_list_with_too_little_or_the_wrong_is_found(fresh):
    """jinja2 needs markupsafe, which is not listed; two pins that exclude each other are refused by
    pip."""
    lock = read_lock(ROOT / "requirements.lock")
    assert fresh.install([lock["jinja2"]], *WHEELS).returncode == 0
    assert [fault.split("==")[0] for fault in fresh.faults([lock["jinja2"]])] == [
        "not listed: markupsafe"
    ]
    assert fresh.faults([lock["jinja2"], lock["markupsafe"], lock["yte"]]) == [
        f"not installed: {lock['yte']}"
    ]
    conflict = fresh.install([lock["jinja2"], "markupsafe<1"], "--dry-run", *WHEELS)
    assert conflict.returncode != 0
    assert fresh.pip("uninstall", "--quiet", "--yes", "markupsafe").returncode == 0
    assert any(
        "markupsafe" in fault and "not installed" in fault
        for fault in fresh.faults([lock["jinja2"]])
    )
