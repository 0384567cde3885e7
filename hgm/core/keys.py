"""Digests of files and folders, and keys and seeds made from plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

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


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from any printable parts; equal parts give equal seeds on every machine."""
    hashed = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(hashed[:8], "little") >> 1
