"""What made a file: manifests (sorted JSON, content hashes, no time stamps), keys of a stage's code, the run's own record."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.home import without_home
from hgm.runtime import atomic_write

PACKAGE = Path(__file__).resolve().parent
KEY_LENGTH = 12


def digest(data: bytes | str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: str | Path, *, skip: Iterable[str] = ()) -> str:
    """One hash over the names and contents of all files below a folder."""
    folder, left_out = Path(folder), set(skip)
    lines = [f"{p.relative_to(folder).as_posix()} {file_digest(p)}" for p in sorted(folder.rglob("*"))
             if p.is_file() and p.name not in left_out]
    return digest("\n".join(lines))


def key_of(*parts: Any) -> str:
    """A short key of plain data: equal data, equal key."""
    return digest(json.dumps(parts, sort_keys=True, default=str))[:KEY_LENGTH]


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Sorted, indented JSON by atomic rename: the bytes depend on the data only. Paths below the home folder begin with `~`."""
    with atomic_write(path, "w") as file:
        json.dump(without_home(data), file, indent=1, sort_keys=True, allow_nan=False)
        file.write("\n")


def read_json(path: str | Path, advice: str = "delete it and run again") -> Any:
    """The data in a JSON file. Raises InputError, which ends with `advice`, where it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); {advice}") from None


def _module_file(name: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def _imports(tree: ast.AST, path: Path) -> set[str]:
    """Names of the package's modules that a parsed file imports, at any depth of the file."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.parent.relative_to(PACKAGE.parent).parts
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            names.add(base)
            names.update(f"{base}.{a.name}" for a in node.names)
    return {n for n in names if n.split(".")[0] == PACKAGE.name}


def _without_docstrings(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body
                and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
                and isinstance(body[0].value.value, str)):
            node.body = body[1:]
    return ast.dump(tree)


@cache
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    tree = ast.parse(path.read_text(), str(path))
    imports = frozenset(_imports(tree, path)) if path.is_relative_to(PACKAGE) else frozenset(_imports(tree, PACKAGE / "x.py"))
    return digest(_without_docstrings(tree)), imports


def code_files(entry: str | Path) -> list[Path]:
    """The files of the package that `entry` imports, directly or through others, and `entry` itself; sorted.

    Packages on the way count too, since importing a module runs them.
    """
    todo, seen = [Path(entry).resolve()], set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in _parsed(path)[1]:
            parts = name.split(".")
            for i in range(1, len(parts) + 1):
                found = _module_file(".".join(parts[:i]))
                if found is not None:
                    todo.append(found)
    return sorted(seen)


def code_key(entry: str | Path) -> str:
    """A key of all code that a script runs: the syntax trees without comments, docstrings and formatting.

    A comment, a docstring or a reformatted line leaves the key as it is; so does a module that the script does not import.
    """
    root = PACKAGE.parent
    lines = []
    for path in code_files(entry):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        lines.append(f"{name} {_parsed(path)[0]}")
    return digest("\n".join(lines))[:KEY_LENGTH]


def git_state(folder: str | Path = PACKAGE.parent) -> dict[str, Any]:
    """Commit and cleanliness of the checkout; `commit: null` outside one."""
    def git(*args: str) -> str | None:
        try:
            return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    commit, status = git("rev-parse", "HEAD"), git("status", "--porcelain")
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


PACKAGES = ("numpy", "torch", "numba", "bpy", "open3d", "smplx", "diffusers", "transformers", "trimesh", "manifold3d",
            "snakemake", "gsplat", "spconv", "spconv-cu126")


def run_record(config: Mapping[str, Any]) -> dict[str, Any]:
    """Who made a run: configuration and its key, commit, versions, machine. Names no user, host or path."""
    return {
        "config": dict(config),
        "config_key": key_of(dict(config)),
        "git": git_state(),
        "versions": versions(PACKAGES),
        "python": platform.python_version(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
    }
