"""What an interrupted run left behind: locks, Snakemake's marks of unfinished files, products cut
short, temporary files."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
from pathlib import Path

from hgm.core.items import damaged
from hgm.core.locks import is_held
from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.workflow.doctor.findings import Finding, first_few

MAKE_LOCK = ".snakemake.lock"  # held with flock by `make demo`
ORPHAN = re.compile(r"\..+\.[a-z0-9_]{8}\.part")  # hgm.core.files.atomic_write and atomic_folder


def check_health(results: Path, folder: Path = Path()) -> list[Finding]:
    """Findings about the run's folder `results` and the working folder `folder`."""
    working = is_held(folder / MAKE_LOCK)
    return [
        _lock(folder, working),
        _incomplete(folder),
        _products(results),
        _orphans(results, working),
    ]


def _lock(folder: Path, working: bool) -> Finding:
    title = "lock of the working folder"
    if working:
        return Finding(title, "present", "a run is working here; a second one has to wait")
    left = sorted(path.name for path in (folder / ".snakemake" / "locks").glob("*.lock"))
    if left:
        return Finding(
            title,
            "damaged",
            f".snakemake/locks holds {first_few(left)}; if no run is working here: snakemake "
            "--unlock",
        )
    return Finding(title, "intact", "free")


def marked_incomplete(folder: Path) -> list[str]:
    """Outputs that Snakemake began and did not finish: their names are the names of the marks, in
    base64."""
    marks = folder / ".snakemake" / "incomplete"
    found = []
    for path in sorted(marks.rglob("*")):
        if not path.is_file() or path.name == "migration_underway":
            continue
        text = "".join(part.removeprefix("@") for part in path.relative_to(marks).parts)
        try:
            found.append(base64.b64decode(text, altchars=b"-_", validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            found.append(path.name)
    return found


def _incomplete(folder: Path) -> Finding:
    title = "unfinished outputs"
    names = marked_incomplete(folder)
    if not names:
        return Finding(title, "intact", "none left")
    return Finding(
        title, "present", f"{len(names)} {first_few(names)}; the next run makes them again"
    )


def cut_short(results: Path) -> dict[Path, list[Path]]:
    """Missing or truncated files of finished members, by the manifest of the job that makes them
    again."""
    found: dict[Path, list[Path]] = {}
    for mark in sorted(results.rglob(".*.json")):
        stage = mark.stem[1:]
        member = mark.parent.name
        files = [mark.parent / name for name in damaged(mark.parent, stage)]
        if files:
            found.setdefault(_manifest(mark, stage, member, results), []).extend(files)
    return found


def _manifest(mark: Path, stage: str, member: str, results: Path) -> Path:
    for place in mark.parents[1:]:
        for path in sorted(place.glob("*.json")):
            data = read_json(path)
            if (
                isinstance(data, dict)
                and data.get("stage") == stage
                and member in data.get("members", {})
            ):
                return path
        if place == results:
            break
    return mark


def _products(results: Path) -> Finding:
    title = "products"
    try:
        found = cut_short(results)
    except InputError as error:
        return Finding(title, "damaged", str(error))
    if not found:
        return Finding(title, "intact", "none lost or cut short")
    files = [str(path.relative_to(results)) for paths in found.values() for path in paths]
    manifests = shlex.join(map(str, found))
    return Finding(
        title,
        "damaged",
        f"{len(files)} lost or cut short {first_few(files)}; run again with --forcerun {manifests}",
    )


def orphans(results: Path) -> list[Path]:
    """Temporary files and folders of writes that were killed, relative to `results`; links are not
    followed."""
    found = []
    for place, folders, files in os.walk(results):
        hit = [name for name in (*folders, *files) if ORPHAN.fullmatch(name)]
        found += [(Path(place) / name).relative_to(results) for name in hit]
        folders[:] = [name for name in folders if name not in hit]
    return sorted(found)


def _orphans(results: Path, working: bool) -> Finding:
    title = "temporary files"
    left = [str(path) for path in orphans(results)]
    if not left:
        return Finding(title, "intact", "none left")
    if working:
        return Finding(
            title,
            "present",
            f"{len(left)} in {results} {first_few(left)}, of the run that is working",
        )
    return Finding(
        title,
        "present",
        f"{len(left)} in {results} {first_few(left)}; delete them once no run is working there",
    )
