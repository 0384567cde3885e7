"""The conda environments of the workflow's steps, all pinned by one lock: `python -m
hgm.workflow.environments` writes envs/*.yaml.

A step's packages are those that the code of its scripts imports, and all that these packages
require.
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

# matches a rule: its name, the step whose environment it works in, its script
RULE = re.compile(
    r'^rule (\w+):\n(?:(?!rule ).*\n)*?    conda:\n        environment\("(\w+)"\)\n'
    r'(?:(?!rule ).*\n)*?    script:\n        "\.\./scripts/([\w/]+)\.py"',
    re.MULTILINE,
)
# packages that plan a run and start its jobs
WORKFLOW = ("snakemake", "snakemake-executor-plugin-slurm", "pydantic", "pyyaml")
# by step: packages that another package uses where it finds them; no import statement names them
ALSO = {"diffusion": ("accelerate",), "photos": ("accelerate",)}
ON_GPU = ("train", "diffusion", "mesh", "photos")
GXX = 14  # version of g++ where no CUDA limits it
# steps that compile networks where the configuration says so
COMPILES = ("train", "diffusion", "photos")
NVIDIA_118 = "nvidia/label/cuda-11.8.0::"  # conda-forge has CUDA's compiler from 12 on


@dataclass(frozen=True)
class Variant:
    """What an environment for one CUDA version adds to the locked packages, or has in place of
    them."""

    gxx: int  # newest g++ that this CUDA accepts; gsplat compiles its kernels at first use
    spconv: str  # CUDA in the name of spconv's build
    cuda: str = ""  # version of CUDA's packages
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
    # torch 2.7.1 is the last that was built for CUDA 11.8
    "cu118": Variant(11, "cu118", channel=NVIDIA_118, pins=("torch==2.7.1",)),
    "cu126": Variant(13, "cu126", "12.6"),
    # spconv has no build for CUDA 13; this build brings the CUDA runtime that it needs
    "cu130": Variant(14, "cu126", "13.0"),
}
# imported only where they are installed, so no step requires them
OPTIONAL = ("gsplat", "spconv", "diff_gaussian_rasterization", "rembg")
BUNDLED = ("OpenImageIO", "mathutils")  # come with bpy
# left to pip: what each build of torch requires by itself, and what every Python has
FOREIGN = re.compile(r"nvidia-.*|cuda-.*|triton.*|setuptools|pip|wheel")
NAME = re.compile(r"^\s*([A-Za-z0-9._-]+)")


@cache
def steps(rules: Path = ROOT / "rules") -> dict[str, dict[str, str]]:
    """For each environment that the rules name, the scripts that run in it and the rule of each
    script. Keys are scripts, since rules of two systems may have the same name."""
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
    """Top-level packages that scripts and all code they run import anywhere in a file, without the
    standard library and this package."""
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
    """The installed distributions that provide the imported names. Raises InputError for a name
    that none provides."""
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
    """Names of the distributions that an installed one requires on this system, without extras."""
    from packaging.requirements import Requirement

    found = (Requirement(line) for line in metadata.requires(name) or ())
    return frozenset(
        normal(r.name) for r in found if r.marker is None or r.marker.evaluate({"extra": ""})
    )


def closed(names: Iterable[str], lock: Mapping[str, str]) -> list[str]:
    """Lines of the lock for distributions and all that they require, sorted. Raises InputError for
    a distribution that is not locked."""
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
    """The text of a step's conda environment file."""
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
