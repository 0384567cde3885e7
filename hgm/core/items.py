"""Work on many items (scans, subjects), each done once.

An item is known by its key, a digest of all that decides its result. One that fails is noted with
its reason, and the others go on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hgm.core.job import Job
from hgm.core.keys import key_of
from hgm.core.manifests import read_json, write_json
from hgm.core.progress import Progress
from hgm.errors import InputError

log = logging.getLogger(__name__)
# with a member's name and folder; what it returns, plain data, is kept in the mark
Work = Callable[[str, Path], Mapping[str, Any] | None]


@dataclass
class Outcome:
    """Keys of the finished members, reasons of the failed ones, backends that worked; goes into a
    manifest."""

    members: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    backends: dict[str, set[str]] = field(default_factory=dict)
    # what the work told of each member, if anything; it is kept in the members' marks alone
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def manifest(self, stage: str, **more: Any) -> dict[str, Any]:
        used = (
            {"backends": {kind: sorted(names) for kind, names in self.backends.items()}}
            if self.backends
            else {}
        )
        return {"stage": stage, "members": self.members, "failed": self.failed, **used, **more}


def outcome_in(manifest: Path) -> Outcome:
    """The outcome that a manifest holds. Raises InputError for a damaged one."""
    data = read_json(manifest)
    try:
        return Outcome(dict(data["members"]), dict(data.get("failed", {})))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise InputError(f"{manifest}: names no members; delete it and run again") from None


def mark_file(folder: Path, stage: str) -> Path:
    """The file that says that a stage's result in a folder is whole: its key, the sizes of its
    files and what else is known of it."""
    return folder / f".{stage}.json"


def finished(folder: Path, stage: str, key: str) -> bool:
    """Whether `folder` holds this stage's result for this key, with no file lost or cut short
    since."""
    return _mark(folder, stage).get("key") == key and not damaged(folder, stage)


def damaged(folder: Path, stage: str) -> list[str]:
    """Files of a stage's finished result that are missing or shorter than they were written; empty
    where nothing is finished."""
    sizes = _mark(folder, stage).get("sizes", {})
    return [
        name
        for name, size in sizes.items()
        if not (folder / name).is_file() or (folder / name).stat().st_size < size
    ]


def _mark(folder: Path, stage: str) -> dict[str, Any]:
    try:
        data = json.loads(mark_file(folder, stage).read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Visible files below a folder: time of change in ns and size."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            found[path.relative_to(folder).as_posix()] = (
                path.stat().st_mtime_ns,
                path.stat().st_size,
            )
    return found


def mark_whole(folder: Path, stage: str, key: str) -> None:
    """Say that all files of a folder are a stage's whole result for this key."""
    sizes = {file: stamp[1] for file, stamp in _files(folder).items()}
    write_json(mark_file(folder, stage), {"key": key, "sizes": sizes})


def do_once(
    folder: Path,
    stage: str,
    key: str,
    work: Callable[[Path], Mapping[str, Any] | None],
    *,
    backends: Mapping[str, str] | None = None,
) -> None:
    """Do `work(folder)` unless the folder holds its whole result for this key. The mark, with the
    sizes of the files that `work` wrote and the facts that it returned, is written last."""
    if finished(folder, stage, key):
        return
    mark_file(folder, stage).unlink(missing_ok=True)
    before = _files(folder)
    facts = work(folder)
    sizes = {file: stamp[1] for file, stamp in _files(folder).items() if before.get(file) != stamp}
    used = {"backends": dict(backends)} if backends else {}
    told = {"facts": dict(facts)} if facts else {}
    write_json(mark_file(folder, stage), {"key": key, "sizes": sizes, **used, **told})


def for_each(
    names: Collection[str],
    stage: str,
    *,
    folder: Callable[[str], Path],
    key: Callable[[str], str],
    work: Work,
    may_lack_all: bool = False,
    backends: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Do `work(name, folder)` for every member whose folder has no mark of the same key, or whose
    files are not whole any more.

    The outcome names the `backends` and the facts of all members, those that were finished before
    included. InputError of a member becomes its reason in `failed`, and no empty folder stays; if
    no member is left, an InputError with the first reason is raised, unless all may be lacking.
    progress: shows the members as they are worked on; without it one step each.
    """
    outcome = Outcome()
    progress = progress or Progress(stage, len(names))
    for name in progress.each(names, str):
        try:
            identity = key(name)
            place = folder(name)
            place.mkdir(parents=True, exist_ok=True)
            do_once(place, stage, identity, partial(work, name), backends=backends)
            outcome.members[name] = identity
            mark = _mark(place, stage)
            for kind, backend in mark.get("backends", {}).items():
                outcome.backends.setdefault(kind, set()).add(backend)
            if "facts" in mark:
                outcome.facts[name] = mark["facts"]
            log.info("%s %s: done", stage, name)
        except InputError as error:
            outcome.failed[name] = str(error)
            log.info("%s %s: set aside: %s", stage, name, error)  # for the log of a job
            with contextlib.suppress(OSError):  # holds something, or was never made
                folder(name).rmdir()
    if outcome.failed and not outcome.members and not may_lack_all:
        name, reason = next(iter(outcome.failed.items()))
        raise InputError(
            f"{stage}: none of {len(outcome.failed)} members could be done; first {name}: {reason}"
        )
    return outcome


def do_items(
    job: Job,
    names: Collection[str],
    *,
    key: Callable[[str], str],
    work: Work,
    folder: Callable[[str], Path] | None = None,
    may_lack_all: bool = False,
    backends: Mapping[str, str] | None = None,
) -> Outcome:
    """`for_each` as a whole job: its results are in folders beside its output `manifest`, unless
    said otherwise, and the manifest tells the outcome."""
    manifest = job.path("manifest")
    outcome = for_each(
        names,
        job.rule,
        folder=folder or (lambda name: manifest.parent / name),
        key=key,
        work=work,
        may_lack_all=may_lack_all,
        backends=backends,
    )
    write_json(manifest, outcome.manifest(job.rule))
    return outcome


def do_members(
    job: Job,
    before: str,
    work: Work,
    *,
    reads: Sequence[str],
    backends: Mapping[str, str] | None = None,
) -> Outcome:
    """`do_items` for the members that another stage finished, whose manifest is the input `before`:
    each again when its own result there changes, the parameters do, or one of `reads`, the digests
    of whatever else decides all results.

    What the work returns is kept beside the seconds that it took (`MemberTimes`), not in the mark.
    """
    keys = outcome_in(job.path(before)).members
    times = MemberTimes.of(job)

    def timed(name: str, out: Path) -> None:
        with times.measured(name) as measures:
            measures.update(work(name, out) or {})

    return do_items(
        job,
        sorted(keys),
        key=lambda name: key_of(dict(job.params), keys[name], list(reads)),
        work=timed,
        backends=backends,
    )


class MemberTimes:
    """Seconds and other measures of a job's members, in a file of the folder `benchmarks`: apart
    from the results, which are equal for equal runs. Members that are done already keep what was
    measured when they were."""

    @classmethod
    def of(cls, job: Job) -> MemberTimes:
        """Those of a job."""
        return cls(job.run.item_times(job.name))

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = read_times(path)

    @contextmanager
    def measured(self, name: str) -> Iterator[dict[str, Any]]:
        """Take the time of a member's work, which may put further measures into the mapping."""
        more: dict[str, Any] = {}
        begun = time.perf_counter()
        yield more
        self.known[name] = {"seconds": time.perf_counter() - begun, **more}
        write_json(self.path, self.known)


def read_times(path: Path) -> dict[str, dict[str, Any]]:
    """What is measured of members so far; nothing where the file is missing or damaged."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return (
        {name: found for name, found in data.items() if isinstance(found, dict)}
        if isinstance(data, dict)
        else {}
    )
