"""Disk space of a run, and what of it may be deleted: files that no later job needs and that the
same run would make again."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hgm.core.locks import is_held
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.workflow.doctor.health import MAKE_LOCK, orphans
from hgm.workflow.forecast import aligned
from hgm.workflow.jobs import PlannedJob, finished, planned_jobs
from hgm.workflow.plan import Plan

STANDIN = "standin"
TEMPORARY = "temporary"
SCANS = "THuman2.0_Release"  # of the stand-ins; their small fits and body models are kept


@dataclass(frozen=True)
class Candidate:
    """A file or folder that may be deleted. `marks`: files that record it as made; `again`: what
    makes it again."""

    stage: str
    path: Path
    size: int
    again: str
    marks: tuple[Path, ...] = ()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(
        (Path(place) / name).lstat().st_size for place, _, names in os.walk(path) for name in names
    )


def candidates(plan: Plan, results: Path) -> list[Candidate]:
    """All that may be deleted now: the training state of finished trainings; the surfaces of
    stand-ins that are rendered and, of test people, measured in every variant; temporary files of
    writes that were killed.

    The marks that record a stand-in as made go with its surface, so that it is made again when the
    catalogue is.
    """
    jobs = planned_jobs(plan)
    done = finished(jobs, results)
    folder = RunFolder(results)
    found = [
        _candidate(job.name, folder.state(job.name), "the training, if it is asked for again")
        for job in jobs
        if job.name in done and folder.state(job.name).is_dir()
    ]
    for job in jobs:
        if job.rule == STANDIN and readers_of_scans(job, jobs, folder) <= done:
            texture = plan.config["scans"]["texture"]
            again = (
                f"hgm standin --ids {spans(job.members)} --out "
                f"{shlex.quote(str(folder.standin))} --texture {texture}"
            )
            paths = [folder.standin / SCANS / name for name in job.members]
            for path in paths:
                marks = (
                    *(results / output for output in job.outputs),
                    folder.standin_mark(path.name) / f".{STANDIN}.json",
                )
                if path.is_dir():
                    found.append(Candidate(STANDIN, path, size_of(path), again, marks))
    found += [
        _candidate(TEMPORARY, results / path, "nothing; they are left from killed writes")
        for path in orphans(results)
    ]
    return found


def readers_of_scans(job: PlannedJob, jobs: Sequence[PlannedJob], run: RunFolder) -> set[str]:
    """Names of the jobs that read the scans that a job makes. Rules declare the table of usable
    scans in place of the scans, so these are the job that writes the table, and the jobs that read
    it and work on the same people."""
    tables = {one.name for one in jobs if run.scans.name in one.outputs}
    people = set(job.members)
    return tables | {
        one.name for one in jobs if tables & set(one.after) and people & set(one.members)
    }


def spans(names: Sequence[str]) -> str:
    """Ids of stand-ins as `hgm standin` takes them: 0000-0005,0010."""
    groups: list[list[str]] = []
    for name in names:
        if groups and int(name) == int(groups[-1][-1]) + 1:
            groups[-1].append(name)
        else:
            groups.append([name])
    return ",".join(g[0] if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups)


def _candidate(stage: str, path: Path, again: str) -> Candidate:
    return Candidate(stage, path, size_of(path), again)


def chosen(found: Sequence[Candidate], stages: Sequence[str]) -> list[Candidate]:
    """The candidates of the named stages; all without names. Raises InputError for a stage that has
    none."""
    known = sorted({c.stage for c in found})
    for stage in stages:
        if stage not in known:
            raise InputError(
                f"prune: nothing of {stage!r} may go now; expected "
                f"{' or '.join(known) or 'no stage at all'}"
            )
    return [c for c in found if not stages or c.stage in stages]


def check_idle(plan: Plan, results: Path) -> None:
    """Raises InputError while a process works on the run."""
    if is_held(MAKE_LOCK):
        raise InputError(f"{results}: a run is working in this folder; prune when it is done")
    for job in planned_jobs(plan):
        if is_held(RunFolder(results).log(job.name)):
            raise InputError(f"{results}: {job.name} is running; prune when it is done")


def describe(results: Path, found: Sequence[Candidate]) -> str:
    """Size of each folder of the run, then what would be deleted and how it is made again, as
    text."""
    folders = sorted(p for p in results.iterdir() if p.is_dir()) if results.is_dir() else []
    rows = [("folder", "MiB", "may go", "")]
    rows += [
        (p.name, mib(size_of(p)), mib(sum(c.size for c in found if p in c.path.parents)), "")
        for p in folders
    ]
    text = [*aligned(rows), ""]
    for stage, again in dict.fromkeys((c.stage, c.again) for c in found):
        ours = [c for c in found if (c.stage, c.again) == (stage, again)]
        first = f"{ours[0].path}" + (f" and {len(ours) - 1} more" if len(ours) > 1 else "")
        text.append(
            f"{stage}: {mib(sum(c.size for c in ours))} MiB, {first}; made again by {again}"
        )
    total = sum(c.size for c in found)
    return (
        "\n".join(
            [
                *text,
                f"{mib(total)} MiB in {len(found)} places may go."
                if found
                else "Nothing may go now.",
            ]
        )
        + "\n"
    )


def mib(size: int) -> str:
    return f"{size / 2**20:.1f}"


def delete(found: Sequence[Candidate]) -> int:
    """Delete the candidates; returns their size in bytes."""
    for candidate in found:
        # marks first: a kill in between must not leave the mark of a deleted file
        for mark in candidate.marks:
            mark.unlink(missing_ok=True)
        if candidate.path.is_dir() and not candidate.path.is_symlink():
            shutil.rmtree(candidate.path)
        else:
            candidate.path.unlink(missing_ok=True)
    return sum(c.size for c in found)
