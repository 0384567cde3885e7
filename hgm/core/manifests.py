"""What made a file: JSON whose bytes depend on its data only, versions and commit of the program,
and the record of a run."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hgm.core.files import atomic_write
from hgm.core.home_paths import without_home
from hgm.core.keys import key_of
from hgm.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Sorted, indented JSON by atomic rename: the bytes depend on the data only. Paths below the
    home folder begin with `~`."""
    with atomic_write(path, "w") as file:
        json.dump(without_home(data), file, indent=1, sort_keys=True, allow_nan=False)
        file.write("\n")


def read_json(path: str | Path, advice: str = "delete it and run again") -> Any:
    """The data in a JSON file. Raises InputError, which ends with `advice`, where it is missing or
    damaged."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); {advice}") from None


def git_state(folder: str | Path = PACKAGE.parent) -> dict[str, Any]:
    """Commit and cleanliness of the checkout; `commit: null` outside one."""

    def git(*args: str) -> str | None:
        try:
            return subprocess.run(
                ["git", *args], cwd=folder, capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    commit = git("rev-parse", "HEAD")
    status = git("status", "--porcelain")
    return {"commit": commit, "clean": None if status is None else not status}


def versions(names: Iterable[str]) -> dict[str, str | None]:
    """Installed versions of distributions; None where absent."""
    from importlib import metadata

    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


PACKAGES = (
    "numpy",
    "torch",
    "numba",
    "bpy",
    "open3d",
    "smplx",
    "diffusers",
    "transformers",
    "trimesh",
    "manifold3d",
    "snakemake",
    "gsplat",
    "spconv",
    "spconv-cu118",
    "spconv-cu126",
)


def run_record(config: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run: configuration and its key, commit, versions, kind of machine. It names
    no user, host or path."""
    return {
        "system": config.get("system"),
        "config": dict(config),
        "config_key": key_of(dict(config)),
        "git": git_state(),
        "versions": versions(PACKAGES),
        "python": platform.python_version(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }
