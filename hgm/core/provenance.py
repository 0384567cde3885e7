"""What made a file: manifests (sorted JSON, content hashes, no time stamps), keys of plain data,
the run's own record."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hgm.core.home_paths import without_home
from hgm.core.runtime import atomic_write
from hgm.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
KEY_LENGTH = 12


def digest(data: bytes | str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: str | Path, *, skip: Iterable[str] = ()) -> str:
    """One hash over the names and contents of all files below a folder, those behind links
    included."""
    folder = Path(folder)
    left_out = set(skip)
    lines = [
        f"{p.relative_to(folder).as_posix()} {file_digest(p)}"
        for p in sorted(_files(folder, ()))
        if p.name not in left_out
    ]
    return digest("\n".join(lines))


def _files(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Files below a folder, through links; `above` are the folders on the way, so that a link back
    to one of them ends there."""
    place = folder.resolve()
    if place in above:
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path, (*above, place))
        elif path.is_file():
            yield path


def key_of(*parts: Any) -> str:
    """A short key of plain data: equal data, equal key."""
    return digest(json.dumps(parts, sort_keys=True, default=str))[:KEY_LENGTH]


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
    """Who made a run: configuration and its key, commit, versions, machine. Names no user, host or
    path."""
    return {
        "config": dict(config),
        "config_key": key_of(dict(config)),
        "git": git_state(),
        "versions": versions(PACKAGES),
        "python": platform.python_version(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }
