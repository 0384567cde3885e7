"""Keys of a stage's code: what makes a job run again after an edit."""

from __future__ import annotations

import ast
import contextlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from hgm.core.caches import cache_folder
from hgm.core.files import atomic_write
from hgm.core.keys import KEY_LENGTH, digest
from hgm.core.manifests import PACKAGE

REMEMBERED = 4096  # contents of files
_new: list[str] = []  # learned by this process and not written down yet


@cache
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
                base = ".".join(
                    [*package[: len(package) - node.level + 1], *([base] if base else [])]
                )
            names.add(base)
            names.update(f"{base}.{a.name}" for a in node.names)
    return {n for n in names if n.split(".")[0] == PACKAGE.name}


def _without_prose(tree: ast.AST) -> str:
    """The dump of a tree without docstrings and without the descriptions of settings (the second
    argument of `described`)."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "described"
        ):
            del node.args[1:2]
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:]
    return ast.dump(tree)


@cache
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    """Digest of a file's syntax tree, and the modules that it imports."""
    text = path.read_bytes()
    known = _memory()
    key = digest(f"{sys.version_info[:2]} {_name(path)} {digest(text)}")
    if key not in known:
        tree = ast.parse(text, str(path))
        imports = _imports(tree, path if path.is_relative_to(PACKAGE) else PACKAGE / "x.py")
        known[key] = [digest(_without_prose(tree)), sorted(imports)]
        _new.append(key)
    found = known[key]
    return found[0], frozenset(found[1])


def _name(path: Path) -> str:
    root = PACKAGE.parent
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _memory_file() -> Path:
    return cache_folder() / "code_keys.json"


@cache
def _memory() -> dict[str, list[Any]]:
    """Digests and imports by content, kept by earlier processes: every job of a run asks for the
    same files."""
    try:
        data = json.loads(_memory_file().read_text())
        return {key: [str(tree), list(map(str, imports))] for key, (tree, imports) in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember() -> None:
    if _new:
        kept = dict(list(_memory().items())[-REMEMBERED:])
        with contextlib.suppress(OSError), atomic_write(_memory_file(), "w") as file:
            json.dump(kept, file)
        _new.clear()


def code_files(entry: str | Path) -> list[Path]:
    """The files of the package that `entry` imports, directly or through others, and `entry`
    itself; sorted.

    Packages on the way count too, since importing a module runs them.
    """
    todo = [Path(entry).resolve()]
    seen = set()
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
    """A key of all code that a script runs: the syntax trees without comments, prose and
    formatting.

    A comment, a docstring, the description of a setting or a reformatted line leaves the key as it
    is; so does a module that the script does not import.
    """
    lines = [f"{_name(path)} {_parsed(path)[0]}" for path in code_files(entry)]
    _remember()
    return digest("\n".join(lines))[:KEY_LENGTH]
