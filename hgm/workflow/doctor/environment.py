"""The machine and the packages: what a run needs besides data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hgm.core.checkout import ROOT
from hgm.core.isolation import isolated
from hgm.core.libraries import explain, lacking, missing_libraries
from hgm.core.manifests import versions
from hgm.core.run_folder import RESULTS
from hgm.scans import catalogue
from hgm.scans.data_views import view_count
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import value_of
from hgm.workflow.doctor.findings import Finding, first_few

LOCK = ROOT / "requirements.lock"
PYTHON = (3, 11)
SPLATTING = {
    "gsplat": "gsplat",
    "diff-gaussian-rasterization": "diff-gaussian-rasterization",
    "numba": "numba",
}
# builds for CUDA that replace a package of the lock
CUDA_BUILDS = {"spconv": ("spconv-cu118", "spconv-cu126"), "cumm": ("cumm-cu118", "cumm-cu126")}
# packages that need libraries of the system, and say so only when they are imported
TRIED = ("bpy", "open3d")
PIXEL_BYTES = 3 + 1 + 2 + 3  # color, mask, depth, normals of a rendered pixel before compression


def check_environment(config: Config, lock: Path = LOCK) -> list[Finding]:
    """Python, packages, libraries of the system, GPU with the backends on it, compilers and
    disk."""
    gpu = _gpu(config)
    tried = gpu.state == "present" and config.device != "cpu"
    backends = [*_splatting(config), *_sparse(config)] if tried else _named(config)
    return [
        _python(),
        _packages(lock),
        _libraries(),
        gpu,
        *backends,
        *_compiling(config),
        _disk(config),
    ]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == PYTHON:
        return Finding("Python 3.11", "intact", found)
    return Finding(
        "Python 3.11",
        "missing",
        f"this is {found}, which Blender does not run in: make env PYTHON=/path/to/python3.11",
    )


def locked(lock: Path) -> dict[str, str]:
    """Names and versions of a lock file."""
    lines = [line.strip() for line in lock.read_text().splitlines()]
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def _packages(lock: Path) -> Finding:
    title = "packages of the lock"
    try:
        wanted = locked(lock)
    except OSError as error:
        return Finding(
            title,
            "missing",
            f"{lock}: cannot be read ({error.strerror}); run hgm from its checkout",
        )
    found = versions(wanted)
    for name, others in CUDA_BUILDS.items():
        if name in found and found[name] is None:
            found[name] = next(filter(None, versions(others).values()), None)
    absent = [f"{name}=={wanted[name]}" for name, version in found.items() if version is None]
    if absent:
        return Finding(
            title,
            "missing",
            f"{len(absent)} of {len(wanted)} are not installed {first_few(absent)}; run: make env",
        )
    other = [
        f"{name} {version}, locked {wanted[name]}"
        for name, version in found.items()
        if version is not None and version.split("+")[0] != wanted[name]
    ]
    if other:
        return Finding(
            title,
            "present",
            f"{len(other)} of {len(wanted)} differ {first_few(other)}; to get those: make env",
        )
    return Finding(title, "intact", f"{len(wanted)} packages")


def _libraries() -> Finding:
    """Whether the packages that link to libraries of the system can be imported; each is tried in a
    process of its own."""
    title = "libraries of the system"
    if names := missing_libraries():
        return Finding(title, "missing", str(lacking(names)))
    tried = [name for name in TRIED if find_spec(name) is not None]
    with ThreadPoolExecutor() as pool:
        failed = [
            f"{name}: {reason}"
            for name, reason in zip(tried, pool.map(_import_fault, tried), strict=True)
            if reason
        ]
    if failed:
        return Finding(title, "missing", "; ".join(failed))
    return Finding(
        title,
        "intact",
        f"{' and '.join(tried)} can be imported"
        if tried
        else "needed by no package that is installed",
    )


@cache
def _import_fault(name: str) -> str:
    """Why a package cannot be imported; empty where it can."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        capture_output=True,
        text=True,
        errors="replace",
        env=isolated(),
    )
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return str(explain(ImportError(last)) or last)


def _named(config: Config) -> list[Finding]:
    """Whether the splatting backend that the configuration names is installed, on a machine where
    it cannot be tried."""
    package = SPLATTING.get(config.splat)
    if package is None:
        return []
    version = versions([package])[package]
    if version is None:
        return [
            Finding(
                package,
                "missing",
                f"splat: {config.splat} needs it; install it (requirements-gpu.in) or use splat: "
                "auto",
            )
        ]
    return [Finding(package, "present", version)]


def _cuda(config: Config) -> str:
    """The GPU that backends are tried on."""
    return config.device if config.device.startswith("cuda") else "cuda"


def _splatting(config: Config) -> list[Finding]:
    """Which backend splats on this machine's GPU. gsplat's kernels are built if they are not yet,
    even if that failed before."""
    from hgm.core.probes import indexed
    from hgm.splat import BACKENDS, backends, gsplat_kernels

    device = indexed(_cuda(config))
    if config.splat in ("auto", "gsplat") and versions(["gsplat"])["gsplat"] is not None:
        gsplat_kernels.forget_failure(device)
    tried = (
        [config.splat]
        if config.splat != "auto"
        else [name for name, (where, _) in BACKENDS.items() if where == "cuda"]
    )
    reasons = []
    for name in tried:
        reason = (
            f"it runs on a {BACKENDS[name][0]}"
            if BACKENDS[name][0] == "cpu"
            else backends.hindrance(name, device)
        )
        if reason is None:
            return [Finding("splatting", "intact", f"{name}, tried on {device}")]
        reasons.append(f"{name}: {reason}")
    if config.splat == "auto":
        return [
            Finding(
                "splatting",
                "present",
                f"plain torch, many times slower than gsplat; {'; '.join(reasons)}",
            )
        ]
    return [Finding("splatting", "missing", f"splat: {'; '.join(reasons)}; use splat: auto")]


def _sparse(config: Config) -> list[Finding]:
    """Which backend computes sparse convolutions on this machine's GPU."""
    from hgm.core.probes import indexed
    from hgm.nets import spconv_backend

    wanted = value_of(config, "network.sparse_backend")
    if wanted in (None, "torch"):
        return []
    device = indexed(_cuda(config))
    reason = spconv_backend.hindrance(device)
    if (
        len(
            builds := [
                name
                for name, version in versions(["spconv", *CUDA_BUILDS["spconv"]]).items()
                if version is not None
            ]
        )
        > 1
    ):
        reason = f"{' and '.join(builds)} write the same files; {spconv_backend.INSTALL}"
    if reason is None:
        return [Finding("sparse convolution", "intact", f"spconv, tried on {device}")]
    if wanted == "auto":
        return [Finding("sparse convolution", "present", f"plain torch; spconv: {reason}")]
    return [
        Finding(
            "sparse convolution",
            "missing",
            f"network.sparse_backend: spconv: {reason}; or use auto",
        )
    ]


def _compiling(config: Config) -> list[Finding]:
    from hgm.core.compiling import missing_tools

    if not value_of(config, "network.compile"):
        return []
    lacking = missing_tools()
    if lacking:
        return [
            Finding("compiler", "missing", f"network.compile: true needs {' and '.join(lacking)}")
        ]
    return [Finding("compiler", "present", "for network.compile: true")]


def _gpu(config: Config) -> Finding:
    try:
        import torch

        name = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    except (ImportError, RuntimeError) as error:
        name = None
        if config.device.startswith("cuda"):
            return Finding(
                "GPU",
                "missing",
                f"torch cannot look for one ({' '.join(str(error).split())}); run: make env",
            )
    if name is not None:
        return Finding("GPU", "present", name)
    if config.device.startswith("cuda"):
        return Finding(
            "GPU",
            "missing",
            f"device: {config.device}, but torch sees no CUDA device; use device: auto or another "
            "machine",
        )
    return Finding("GPU", "not needed", f"device: {config.device}; torch sees none here")


def views_bytes(config: Config) -> int:
    """Upper bound of the size of the rendered views in bytes: all pictures uncompressed; 0 where
    the system renders none."""
    size = value_of(config, "rendering.size")
    if size is None:
        return 0
    scans = config.scans.model_dump()
    views = sum(
        view_count(catalogue.data_of(scans, entry.split))
        for entry in catalogue.configured_entries(scans)
    )
    return int(views * size**2 * PIXEL_BYTES)


def _disk(config: Config) -> Finding:
    place = RESULTS.resolve() if RESULTS.is_dir() else Path.cwd()
    free = shutil.disk_usage(place).free
    views = views_bytes(config)
    text = f"{free / 1e9:.1f} GB free"
    if views:
        text += f", the rendered views take at most {views / 1e9:.1f} GB"
    if free < views:
        return Finding(
            "disk of results/",
            "missing",
            f"{text}; make room, or let results/ be a link to a larger disk",
        )
    return Finding("disk of results/", "present", text)
