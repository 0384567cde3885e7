"""Downloads that continue where they stopped and are accepted only when the published hash
matches."""

from __future__ import annotations

import fcntl
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hgm import __version__
from hgm.core.keys import file_digest
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.workflow.doctor.entries import Asset, AssetFile

BLOCK = 1 << 20  # bytes
LARGE = 8 << 20  # bytes; smaller files show no progress
TIMEOUT = 60.0  # seconds without an answer
PARTIAL = 206  # HTTP status: partial content
BEYOND = 416  # HTTP status: range not satisfiable


def part_of(path: Path) -> Path:
    """Path of an unfinished download of `path`; always the same, so that the next attempt finds
    it."""
    return path.with_name(f".{path.name}.part")


def download(url: str, path: Path, *, sha256: str | None = None, size: int | None = None) -> None:
    """Fetch `url` to `path`, which appears only when it is complete and has the right hash and
    size.

    A part left by an earlier attempt is continued with a Range request, but only where a published
    hash can confirm that both halves are of one file; a server that does not support ranges sends
    the whole file again. Raises InputError when the server refuses, the connection breaks (the part
    stays for the next attempt), or the file is not the published one (it is deleted).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    with open(part, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{path}: another process is downloading it; wait for that one"
            ) from None
        try:
            if sha256 is None:
                file.truncate(0)
            got = _length(file)
            if size is None or got < size:
                got = _receive(url, file, path.name)
            if size is not None and got < size:
                raise _broken(url, got, "the server closed the connection")
            os.fsync(file.fileno())
        except BaseException:
            if sha256 is None or not _length(file):
                part.unlink()
            raise
        if size is not None and got != size:
            part.unlink()
            raise InputError(
                f"{url}: {got} bytes came, the published file has {size}; nothing was kept"
            )
        if sha256 is not None and (found := file_digest(part)) != sha256:
            part.unlink()
            raise InputError(
                f"{url}: what came has SHA-256 {found}, published is {sha256}; nothing was kept"
            )
        os.replace(part, path)


def _length(file: IO[bytes]) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _receive(url: str, file: IO[bytes], name: str) -> int:
    """Append what the server sends to the open part; returns the new length in bytes."""
    have = _length(file)
    headers = {"User-Agent": f"hgm/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT
        ) as answer:
            if have and answer.status != PARTIAL:
                file.truncate(0)
                have = 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else 0
            with Progress(f"{name} (MiB)", total >> 20 if total > LARGE else 0) as progress:
                progress.resume(have >> 20)
                while block := answer.read(BLOCK):
                    file.write(block)
                    have += len(block)
                    progress.update(have >> 20)
            if have < total:
                raise ConnectionError("the server closed the connection")
    except urllib.error.HTTPError as error:
        if error.code != BEYOND:
            raise InputError(
                f"{url}: the server answers {error.code} {error.reason}; the file may have moved"
            ) from None
        # the part is as long as the file: its hash decides
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _broken(url, _length(file), getattr(error, "reason", None) or error) from None
    return _length(file)


def _broken(url: str, have: int, reason: object) -> InputError:
    return InputError(
        f"{url}: the download broke off after {have} bytes ({reason}); run the command again to "
        "go on"
    )


@dataclass
class Fetched:
    """The result of a fetch: which assets are complete, and why each of the others is not."""

    # name of the asset -> the value for its configuration key
    places: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def fetch(assets: Sequence[Asset], into: Path) -> Fetched:
    """Download free assets below `into`; files that exist with the right hash or size are kept."""
    result = Fetched()
    for asset in assets:
        try:
            todo = [
                file for file in asset.files if not is_whole(asset.file_place(file, into), file)
            ]
            _check_room(into, todo)
            for file in todo:
                download(
                    asset.file_url(file),
                    asset.file_place(file, into),
                    sha256=file.sha256,
                    size=file.bytes,
                )
            result.places[asset.name] = asset.place(into)
        except InputError as error:
            result.failed[asset.name] = str(error)
        except OSError as error:
            result.failed[asset.name] = (
                f"{error.filename or into}: cannot be written ({error.strerror})"
            )
    return result


def is_whole(path: Path, file: AssetFile) -> bool:
    """Whether a file exists with the published size and hash."""
    if not path.is_file() or (file.bytes is not None and path.stat().st_size != file.bytes):
        return False
    return file.sha256 is None or file_digest(path) == file.sha256


def _check_room(into: Path, files: Sequence[AssetFile]) -> None:
    place = into
    while not place.exists():
        place = place.parent
    need = sum(file.bytes or 0 for file in files)
    free = shutil.disk_usage(place).free
    if need > free:
        raise InputError(
            f"{into}: {need / 1e9:.1f} GB are to come, {free / 1e9:.1f} GB are free; make room or "
            "use --into"
        )
