"""The conda environments of the workflow's steps, all from one lock: `python -m
hgm.workflow.environments` writes envs/*.yaml.

What a step needs is read from the import statements of everything its scripts can run, and from
what those packages need.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from hgm.core.checkout import ROOT
from hgm.core.code_keys import code_files
from hgm.core.files import atomic_write
from hgm.core.manifests import PACKAGE
from hgm.errors import InputError

# of a rule: the step whose environment it works in, and its script
RULE = re.compile(
    r'^rule (\w+):\n(?:(?!rule ).*\n)*?    conda:\n        environment\("(\w+)"\)\n'
    r'(?:(?!rule ).*\n)*?    script:\n        "\.\./scripts/([\w/]+)\.py"',
    re.MULTILINE,
)
# what plans a run and starts its jobs
WORKFLOW = ("snakemake", "snakemake-executor-plugin-slurm", "pydantic", "pyyaml")
# no import statement names it, but a chosen package uses it
ALSO = {"diffusion": ("accelerate",), "photos": ("accelerate",)}
ON_GPU = ("train", "diffusion", "mesh", "photos")
GXX = 14  # where no CUDA limits it
# steps that compile networks where the configuration says so
COMPILES = ("train", "diffusion", "photos")
NVIDIA_118 = "nvidia/label/cuda-11.8.0::"  # conda-forge has CUDA's compiler from 12 on


@dataclass(frozen=True)
class Variant:
    """What an environment for GPUs of one CUDA has besides, or in place of, the lock's packages."""

    gxx: int  # the newest that this CUDA takes: gsplat builds its kernels when they are first used
    spconv: str  # the CUDA that its build is named by
    cuda: str = ""  # version in conda-forge
    channel: str = ""  # of CUDA's packages, where it is not conda-forge
    pins: tuple[str, ...] = ()

    @property
    def compilers(self) -> list[str]:
        cuda = [
            f"{self.channel}{name}"
            for name in ("cuda-nvcc", "cuda-cudart-dev", "cuda-libraries-dev")
        ]
        return [f"gxx={self.gxx}", *([f"cuda-version={self.cuda}"] if self.cuda else []), *cuda]


VARIANTS = {
    # the last that was built for CUDA 11.8
    "cu118": Variant(11, "cu118", channel=NVIDIA_118, pins=("torch==2.7.1",)),
    "cu126": Variant(13, "cu126", "12.6"),
    # spconv has no build for CUDA 13; this one brings the runtime that it needs
    "cu130": Variant(14, "cu126", "13.0"),
}
# looked for and used where they are
OPTIONAL = ("gsplat", "spconv", "diff_gaussian_rasterization", "rembg")
BUNDLED = ("OpenImageIO", "mathutils")  # come with bpy
# named by each build of torch itself; those of every Python
FOREIGN = re.compile(r"nvidia-.*|cuda-.*|triton.*|setuptools|pip|wheel")
NAME = re.compile(r"^\s*([A-Za-z0-9._-]+)")


@cache
def steps(rules: Path = ROOT / "rules") -> dict[str, dict[str, str]]:
    """The environments that the rules name: the scripts that run in each, with their rules, which
    in two systems may have one name."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(rules.glob("*.smk")):
        for rule, step, script in RULE.findall(path.read_text()):
            found.setdefault(step, {})[script] = rule
    return found


def scripts(step: str) -> list[Path]:
    """The scripts that run in an environment."""
    return [ROOT / "scripts" / f"{script}.py" for script in steps()[step]]


def normal(name: str) -> str:
    """A distribution's name as the packaging rules compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> dict[str, str]:
    """Normalized name -> its line `name==version`."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return {
        normal(line.split("==")[0]): line for line in lines if line and not line.startswith("#")
    }


def imported(entries: Iterable[Path]) -> set[str]:
    """Top-level names, not of the standard library, that scripts and all they run import, at any
    place of a file."""
    paths = {file for entry in entries for file in code_files(entry)}
    return set().union(*map(_named, paths)) - set(sys.stdlib_module_names) - {PACKAGE.name}


@cache
def _named(path: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return frozenset(names)


def distributions(names: Iterable[str]) -> set[str]:
    """The installed distributions that give the imports. Raises InputError for an import that none
    gives."""
    known = _installed()
    found: set[str] = set()
    for name in set(names) - {*OPTIONAL, *BUNDLED}:
        if name in known:
            found.update(map(normal, known[name]))
            continue
        try:  # a package of one compiled file is not listed
            found.add(normal(metadata.metadata(name)["Name"]))
        except metadata.PackageNotFoundError:
            raise InputError(
                f"{name}: imported by the package, but not installed; make env, or name it in "
                "hgm/workflow/environments.py"
            ) from None
    return found


@cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


@cache
def needs(name: str) -> frozenset[str]:
    """What an installed distribution needs on this system, without its extras."""
    from packaging.requirements import Requirement

    found = (Requirement(line) for line in metadata.requires(name) or ())
    return frozenset(
        normal(r.name) for r in found if r.marker is None or r.marker.evaluate({"extra": ""})
    )


def closed(names: Iterable[str], lock: Mapping[str, str]) -> list[str]:
    """Lines of the lock for distributions and all they need, sorted. Raises InputError for one that
    is not locked."""
    todo = [normal(name) for name in names]
    seen = set()
    while todo:
        name = todo.pop()
        if name in seen or FOREIGN.fullmatch(name):
            continue
        if name not in lock:
            raise InputError(f"requirements.lock: {name} is needed and not there; run make lock")
        seen.add(name)
        todo += needs(name)
    return sorted((lock[name] for name in seen), key=str.lower)


def pins(step: str, variant: str = "") -> list[str]:
    """The pinned packages of a step's environment; `variant` is "" or one of the CUDA variants."""
    lock = read_lock(ROOT / "requirements.lock")
    if step == "workflow":
        return closed(WORKFLOW, lock)
    roots = distributions(imported(scripts(step)))
    if not variant:
        return closed({*roots, *ALSO.get(step, ())}, lock)
    chosen = VARIANTS[variant]
    lock.update({normal(line.split("==")[0]): line for line in chosen.pins})
    extra = [
        line
        for name, line in read_lock(ROOT / "envs/gpu.lock").items()
        if "-cu" not in name or name.endswith(chosen.spconv)
    ]
    gpu_needs = ("ninja", "rich", "pccm", "ccimport", "pybind11", "fire")
    return sorted({*closed({*roots, *ALSO.get(step, ()), *gpu_needs}, lock), *extra}, key=str.lower)


def to_yaml(step: str, variant: str = "") -> str:
    """A conda environment file."""
    compilers = (
        VARIANTS[variant].compilers if variant else [f"gxx={GXX}"] if step in COMPILES else []
    )
    lines = [
        "# Generated from requirements.lock (make envs); docs/environments.md.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python=3.11",
        *(f"  - {name}" for name in compilers),
        "  - pip",
        "  - pip:",
    ]
    if variant:
        lines.append(f"      - --extra-index-url https://download.pytorch.org/whl/{variant}")
    return "\n".join([*lines, *(f"      - {line}" for line in pins(step, variant))]) + "\n"


def files() -> dict[str, str]:
    """All environment files with their text, by their path in the checkout."""
    found = {f"envs/{step}.yaml": to_yaml(step) for step in ("workflow", *steps())}
    for step in ON_GPU:
        found.update(
            {f"envs/{step}-{variant}.yaml": to_yaml(step, variant) for variant in VARIANTS}
        )
    return found


if __name__ == "__main__":
    for name, text in files().items():
        with atomic_write(ROOT / name, "w") as file:
            file.write(text)
