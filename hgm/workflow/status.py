"""The state of a run, read from the files in its folder; the processes that work on it are not
contacted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hgm.core.job import SLICE_ENDED
from hgm.core.locks import is_held
from hgm.core.manifests import read_json
from hgm.core.progress import clock
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.workflow.forecast import Figure, aligned, seconds_of
from hgm.workflow.jobs import PlannedJob, finished, planned_jobs
from hgm.workflow.plan import Plan, plan_for

State = Literal["done", "running", "failed", "stopped", "waiting"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stopped", "waiting")
# matches the line that a log gets for each member that is done or set aside
WORKED = re.compile(r"^(?:\w+ \S+: (?:done|set aside)|\S+ \d+/\d+ \S+$)", re.MULTILINE)
SHOWN = ("loss", "validation_psnr")


@dataclass(frozen=True)
class JobState:
    """The state of a job, as its files show it. `note`: its progress, or why it failed; `where`:
    machine and GPU; `left`: seconds it still needs, None where unknown."""

    job: PlannedJob
    state: State
    note: str = ""
    where: str = ""
    left: float | None = None


def look(
    job: PlannedJob, results: Path, now: float | None = None, *, done: bool | None = None
) -> JobState:
    """The state of one job: running while the lock of its log is held, else done when its outputs
    exist. `done` overrides the latter where it is known (`hgm.workflow.jobs.finished`)."""
    log = RunFolder(results).log(job.name)
    if is_held(log):
        note, left = progress_of(job, results, log, time.time() if now is None else now)
        return JobState(job, "running", note, _where(log), left)
    if job.is_made(results) if done is None else done:
        return JobState(job, "done")
    lines = _lines(log)
    if not lines:
        return JobState(job, "waiting")
    if lines[-1].startswith(SLICE_ENDED):
        return JobState(job, "stopped", lines[-1].removeprefix(SLICE_ENDED))
    errors = [
        i for i, line in enumerate(lines) if line.startswith(("error: ", "unexpected failure"))
    ]
    if errors:
        reason = (
            lines[errors[-1]].removeprefix("error: ")
            if lines[errors[-1]].startswith("error: ")
            else lines[-1]
        )
        return JobState(job, "failed", reason, _where(log))
    note, _ = progress_of(job, results, log, 0.0)
    return JobState(
        job, "stopped", f"ended without a word, {note}" if note else "ended without a word"
    )


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return []


def _where(log: Path) -> str:
    lines = _lines(log)
    parts = [line.removeprefix("on ") for line in lines[:1] if line.startswith("on ")]
    return ", ".join([*parts, *[line for line in lines if line.startswith("GPU ")][:1]])


def progress_of(job: PlannedJob, results: Path, log: Path, now: float) -> tuple[str, float | None]:
    """How far a running job is, as text, and the seconds it still needs, None where unknown."""
    try:
        started = log.with_suffix(".job.json").stat().st_mtime
    except OSError:
        started = None
    training = RunFolder(results).state(job.name)
    if training.is_dir():
        return _training(training, started or 0.0)
    if not job.members:
        return "", None
    through = len(WORKED.findall("\n".join(_lines(log))))
    if started is None:
        return f"{through} of {len(job.members)}", None
    left = (
        (now - started) / through * (len(job.members) - through)
        if through and now > started
        else None
    )
    return f"{through} of {len(job.members)}", left


def _training(state: Path, since: float) -> tuple[str, float | None]:
    """The same for a training, from its newest progress file. A file from before `since`, the start
    of the job, was written by an earlier job and is ignored."""
    files = (
        [(path.stat().st_mtime, path) for path in state.rglob("progress.json")]
        if state.is_dir()
        else []
    )
    files = [(at, path) for at, path in files if at >= since]
    if not files:
        return "", None
    try:
        data: dict[str, Any] = json.loads(max(files)[1].read_text())
        step = int(data["step"])
        steps = int(data["steps"])
        rate = float(data["rate"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", None
    numbers = [f"{key} {data[key]:.4g}" for key in SHOWN if key in data]
    note = "  ".join(
        [f"{data['stage']} {step} of {steps}", *([f"{rate:.2f}/s"] if rate > 0 else []), *numbers]
    )
    return note, (steps - step) / rate if rate > 0 else None


def set_aside(seen: Sequence[JobState], results: Path) -> list[tuple[str, str, str]]:
    """Job, member and reason for each member that a finished job left out."""
    found = []
    for one in seen:
        if one.state == "done" and one.job.manifest and one.job.members:
            try:
                failed = json.loads((results / one.job.manifest).read_text()).get("failed", {})
            except (OSError, ValueError, AttributeError):
                continue
            found += [(one.job.name, name, str(reason)) for name, reason in sorted(failed.items())]
    return found


def plan_of(results: Path) -> Plan:
    """The plan of a run, from the configuration in its record or in the record of one of its jobs.
    Raises InputError where it has none yet."""
    folder = RunFolder(results)
    places = [folder.record, *(folder.job_record(name) for name in folder.jobs())]
    for path in places:
        if path.is_file():
            data = read_json(path)
            config = data.get("config") or data.get("params", {}).get("config")
            if config:
                try:
                    return plan_for(config)
                except InputError as error:
                    raise InputError(f"{path}: {error}") from None
    raise InputError(
        f"{results}: no record of a run (run.json); give --run results/<run>, or --configfile of "
        "one that just began"
    )


def describe(plan: Plan, results: Path, figures: Sequence[Figure]) -> str:
    """The state of a run as text: a table of rules, then the jobs that run, failed or stopped, the
    members set aside, and the work that is left."""
    jobs = planned_jobs(plan)
    done = finished(jobs, results)
    seen = [look(job, results, done=job.name in done) for job in jobs]
    rules: dict[str, list[JobState]] = {}
    for one in seen:
        rules.setdefault(one.job.rule, []).append(one)
    rows = [("rule", *STATES, "")]
    for rule, ours in rules.items():
        rows.append((rule, *(_count(ours, state) for state in STATES), ""))
    rows.append(("all", *(_count(seen, state) for state in STATES), ""))
    text = aligned(rows)
    for state in ("running", "failed", "stopped"):
        lines = [one for one in seen if one.state == state]
        if lines:
            text += ["", state, *(_line(one) for one in lines)]
    aside = set_aside(seen, results)
    if aside:
        text += ["", "set aside", *(f"  {job}  {name}: {reason}" for job, name, reason in aside)]
    return "\n".join([*text, "", _outlook(seen, plan, figures)]) + "\n"


def _count(jobs: Sequence[JobState], state: State) -> str:
    count = sum(one.state == state for one in jobs)
    return str(count) if count else "."


def _line(one: JobState) -> str:
    left = f"{clock(one.left)} left" if one.left is not None else ""
    where = f"({one.where})" if one.where else ""
    return "  " + "  ".join(part for part in (one.job.name, one.note, left, where) if part)


def _outlook(seen: Sequence[JobState], plan: Plan, figures: Sequence[Figure]) -> str:
    open_jobs = [one for one in seen if one.state != "done"]
    if not open_jobs:
        return "Finished."
    known = 0
    unknown = 0
    total = 0.0
    for one in open_jobs:
        seconds = one.left if one.left is not None else seconds_of(one.job, plan, figures)
        if seconds is None:
            unknown += 1
        else:
            known = known + 1
            total = total + seconds
    text = f"{len(open_jobs)} of {len(seen)} jobs to do"
    if known:
        text += f"; {clock(total)} of work, one job after the other"
    return text + (f", and {unknown} jobs of which no figures are known." if unknown else ".")
