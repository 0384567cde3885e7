"""Environments of the steps: the lock's pins, what the scripts import, and no rule without one."""

import ast
import re
import sys
from functools import cache
from importlib import metadata, util
from pathlib import Path

import pytest
import yaml
from checkouts import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hgm.errors import InputError
from hgm.systems import SYSTEMS, part
from hgm.workflow.environments import (
    BUNDLED,
    FOREIGN,
    ON_GPU,
    OPTIONAL,
    VARIANTS,
    closed,
    files,
    imported,
    read_lock,
    steps,
)

LOCK = {
    canonicalize_name(line.split("==")[0]): line.strip()
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if "==" in line and not line.startswith("#")
}
GPU_LOCK = [
    line for line in (ROOT / "envs/gpu.lock").read_text().splitlines() if not line.startswith("#")
]
ALL = ["workflow", *steps(), *(f"{step}-{variant}" for step in ON_GPU for variant in VARIANTS)]


def pip_lines(name: str) -> list[str]:
    dependencies = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    assert dependencies[0] == "python=3.11" and dependencies[-2] == "pip"
    compilers = [line.split("::")[-1].split("=")[0] for line in dependencies[1:-2]]
    # torch.compile needs a compiler at run time
    compiles = name.split("-")[0] in ("train", "diffusion", "photos")
    assert ("cuda-nvcc" in compilers) == ("-cu" in name) and ("gxx" in compilers) == (
        "-cu" in name or compiles
    )
    return [line for line in dependencies[-1]["pip"] if not line.startswith("--")]


@cache
def hgm_imports(path: Path) -> frozenset[Path]:
    """Files of the package that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        else:
            continue
        found |= {
            origin
            for name in names
            if name.split(".")[0] == "hgm" and (origin := module_file(name))
        }
    return frozenset(found)


@cache
def module_file(name: str) -> Path | None:
    try:
        spec = util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


@cache
def provides(name: str) -> frozenset[str]:
    """First parts of the names of an installed distribution's files."""
    return frozenset(Path(str(file)).parts[0].split(".")[0] for file in metadata.files(name) or ())


def modules_run_by(script: Path) -> set[Path]:
    """Files that a script can run: found again here, by walking its imports with Python's own
    finder."""
    todo = [script]
    seen = set()
    while todo:
        path = todo.pop()
        seen.add(path)
        todo += hgm_imports(path) - seen
    return seen


def top_level(paths: set[Path]) -> set[str]:
    text = "\n".join(path.read_text() for path in paths)
    found = re.findall(r"^\s*(?:import|from)\s+([A-Za-z_][A-Za-z0-9_]*)", text, re.MULTILINE)
    # bpy's own modules have no spec once it is imported
    found = set(found) - {"hgm", *BUNDLED, *OPTIONAL, *sys.stdlib_module_names}
    return {name for name in found if util.find_spec(name) is not None}


def test_the_files_are_what_the_generator_writes():
    written = files()
    assert {name: (ROOT / name).read_text() for name in written} == written
    assert {f"envs/{name}.yaml" for name in ALL} == {
        f"envs/{path.name}" for path in (ROOT / "envs").glob("*.yaml")
    }


@pytest.mark.parametrize("name", ALL)
def test_every_pin_is_the_locks(name):
    lines = pip_lines(name)
    gpu = [line for line in lines if canonicalize_name(line.split("==")[0]) not in LOCK]
    own = {line for line in lines if line not in gpu and line not in LOCK.values()}
    assert own == ({"torch==2.7.1"} if name.endswith("cu118") else set())
    other = "cu126" if name.endswith("cu118") else "cu118"
    assert gpu == (sorted(line for line in GPU_LOCK if other not in line) if "-cu" in name else [])


LAST_TORCH = {"cu118": (2, 7)}  # of a CUDA that PyTorch has given up: what its index ends with
NEWEST_GCC = {"cu118": 11, "cu126": 13, "cu130": 15}  # that the CUDA's nvcc takes


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("step", ON_GPU)
def test_a_gpu_variant_is_one_that_exists(step, variant):
    data = yaml.safe_load((ROOT / f"envs/{step}-{variant}.yaml").read_text())["dependencies"]
    (gxx,) = (int(line.split("=")[1]) for line in data[:-1] if line.startswith("gxx="))
    assert gxx <= NEWEST_GCC[variant]
    pip = data[-1]["pip"]
    assert pip[0] == f"--extra-index-url https://download.pytorch.org/whl/{variant}"
    (torch,) = (line.split("==")[1] for line in pip if line.startswith("torch=="))
    assert tuple(map(int, torch.split(".")[:2])) <= LAST_TORCH.get(variant, (99, 0))


@pytest.mark.parametrize("name", ALL)
def test_no_package_lacks_what_it_needs(name):
    listed = dict(
        (canonicalize_name(line.split("==")[0]), line.split("==")[1]) for line in pip_lines(name)
    )
    for package in set(listed) & set(LOCK):
        for line in metadata.requires(package) or ():
            need = Requirement(line)
            if (
                need.marker is None or need.marker.evaluate({"extra": ""})
            ) and not FOREIGN.fullmatch(canonicalize_name(need.name)):
                assert canonicalize_name(need.name) in listed, f"{package} needs {need.name}"
                assert need.specifier.contains(
                    listed[canonicalize_name(need.name)], prereleases=True
                )


@pytest.mark.parametrize("step", sorted(steps()))
def test_a_step_has_all_that_its_scripts_import(step):
    paths = {
        path
        for script in steps()[step]
        for path in modules_run_by(ROOT / "scripts" / f"{script}.py")
    }
    wanted = top_level(paths)
    assert {"torch", "numpy"} <= wanted
    assert (
        wanted - set().union(*(provides(line.split("==")[0]) for line in pip_lines(step))) == set()
    )


def test_lazy_imports_count():
    assert {"bpy", "torch"} <= imported([ROOT / "scripts/render.py"]) and "bpy" not in imported(
        [ROOT / "scripts/hgm/coarse.py"]
    )
    assert [
        any(line.startswith("bpy==") for line in pip_lines(step)) for step in ("render", "train")
    ] == [True, False]


def test_every_rule_names_the_environment_of_its_step():
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    bodies = dict(re.findall(r"^rule (\w+):\n((?:(?!rule ).*\n)*)", rules, re.MULTILINE))
    named = {
        rule: found[1]
        for rule, body in bodies.items()
        if (found := re.search(r'^    conda:\n        environment\("(\w+)"\)', body, re.M))
    }
    assert named == {rule: step for step, members in steps().items() for rule in members.values()}
    assert bodies.keys() - named.keys() == {"views", "models"}  # which only name others' files


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_may_need_a_gpu_has_an_environment_with_cuda(system):
    asking = part(system, "plan").Plan.ON_DEVICE
    for step, members in steps().items():
        names = [script for script, rule in members.items() if rule in asking]
        assert step in ON_GPU or not [s for s in names if s.startswith(f"{system}/")], names


def test_an_import_without_a_lock_line_is_one_clear_error():
    with pytest.raises(
        InputError, match=r"requirements\.lock: numpy is needed and not there; run make lock"
    ):
        closed(["scipy"], {"scipy": "scipy==1"})


def test_names_are_compared_as_pip_does(tmp_path):
    (tmp_path / "lock").write_text("# head\nSome_Thing==1.0\n\n")
    assert read_lock(tmp_path / "lock") == {"some-thing": "Some_Thing==1.0"}


def test_the_container_is_built_from_the_lock():
    text = (ROOT / "envs/hgm.def").read_text()
    assert "pip install --no-cache-dir -r /opt/hgm/requirements.lock" in text
    copied = re.findall(
        r"^    (\S+) /opt/hgm/(\S+)$", text.split("%files")[1].split("%post")[0], re.MULTILINE
    )
    assert all(source == target and (ROOT / source).exists() for source, target in copied)
    for needed in (
        "Snakefile",
        "rules",
        "scripts",
        "hgm",
        "config.yaml",
        "resources",
        "profiles",
        "envs",
    ):
        assert (needed, needed) in copied
