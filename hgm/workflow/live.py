"""A run while Snakemake works on it: which jobs are finished, how far the others are, and the time
that is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hgm.core.progress import clock
from hgm.core.run_folder import RunFolder
from hgm.workflow.forecast import Figure, seconds_of
from hgm.workflow.jobs import PlannedJob
from hgm.workflow.plan import Plan
from hgm.workflow.status import look, progress_of

# seconds of one job at a time that are averaged into the measured pace; after as many seconds the
# measurement has half the weight
SETTLED = 30.0


@dataclass(frozen=True)
class Started:
    """A job that Snakemake has started or submitted to a cluster. `job` is None where the plan has
    no such job."""

    rule: str
    name: str
    at: float  # seconds since the epoch
    log: Path | None
    job: PlannedJob | None


class LiveRun:
    """One invocation of Snakemake on a run.

    counts: number of jobs to do of each rule, as Snakemake counts them. jobs: all jobs of the plan;
    None where the plan is not known, and then jobs are counted and nothing else.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        jobs: Sequence[PlannedJob] | None,
        now: float | None = None,
    ) -> None:
        planned = {job.name: job for job in jobs or ()}
        rules = {job.rule for job in planned.values()}
        # named targets, which the plan does not list, are left out
        self.counts = {
            rule: count for rule, count in counts.items() if jobs is None or rule in rules
        }
        self.total = sum(self.counts.values())
        self.done = 0
        self.planned = planned
        self.expected: dict[str, float] = {}  # seconds by name, from figures
        self.begun_at = time.time() if now is None else now
        self.running: dict[int, Started] = {}
        self.begun: dict[str, int] = {}  # jobs of each rule
        self.took: dict[str, list[float]] = {}  # seconds of the finished jobs of each rule
        self.through = 0.0  # seconds that the finished jobs were expected to take

    def learn(self, plan: Plan, figures: Sequence[Figure]) -> None:
        """Set the expected seconds of the planned jobs from the benchmarks of earlier runs."""
        for job in self.planned.values():
            seconds = seconds_of(job, plan, figures)
            if seconds is not None:
                self.expected[job.name] = seconds

    def summary(self, now: float | None = None) -> str:
        """The last line of the display."""
        return f"{self.done} jobs in {clock((time.time() if now is None else now) - self.begun_at)}"

    def begin(self, number: int, rule: str, log: str | None, now: float | None = None) -> None:
        """Record that Snakemake's job `number` starts, for the first time or after a failure."""
        path = None if log is None else Path(log)
        name = rule if path is None else RunFolder.of_log(path).job(path)
        again = any(s.name == name for s in self.running.values())
        self.running[number] = Started(
            rule, name, time.time() if now is None else now, path, self.planned.get(name)
        )
        if not again:
            self.begun[rule] = self.begun.get(rule, 0) + 1

    def finish(self, number: int, now: float | None = None) -> str | None:
        """Record that a job is finished and return the line to show; None for a named target, which
        does no work."""
        one = self.running.pop(number, None)
        if one is None or one.rule not in self.counts:
            return None
        took = max((time.time() if now is None else now) - one.at, 0.0)
        self.took.setdefault(one.rule, []).append(took)
        self.through += self.expected.get(one.name, took)
        self.done += 1
        return f"{self.done} of {self.total}  {one.name}  {clock(took)}"

    def fail(self, number: int) -> Started | None:
        """Record that a job failed and return it; it counts as not begun, since Snakemake may try
        it again."""
        one = self.running.pop(number, None)
        if one is not None:
            self.begun[one.rule] -= 1
        return one

    def lines(self, room: int, now: float | None = None) -> list[str]:
        """The lines to show: one for the run, then one for each running job, at most `room` of
        these."""
        now = time.time() if now is None else now
        seen = [
            (one, *self._seen(one, now))
            for one in sorted(self.running.values(), key=lambda s: s.at)
        ]
        shown = [(one, note, left) for one, note, left in seen if one.rule in self.counts]
        head = [f"{self.done} of {self.total} jobs", f"{clock(now - self.begun_at)} so far"]
        left = self.left({one.name: left for one, _, left in seen}, now)
        if left is not None:
            head.append(left)
        rows = [_row(one, note, left, now) for one, note, left in shown]
        if len(rows) > room:
            rows = [*rows[: room - 1], f"  and {len(rows) - room + 1} more"]
        return ["  ".join(head), *rows]

    def left(self, running: Mapping[str, float | None], now: float) -> str | None:
        """Time left for the whole run as text, with "about" unless all jobs report it or have
        benchmarks; None where a job's time is unknown. running: by name, the seconds left that
        running jobs report.

        The work left is the sum of the jobs' seconds. It is divided by the pace so far, the seconds
        of work done per second, which includes parallel jobs, queues and Snakemake's own time.
        """
        own = [s for rule in self.took.values() for s in rule]
        sure = True
        work = 0.0
        begun = 0.0
        for one in self.running.values():
            if one.rule not in self.counts:
                continue
            expected, known = self._expected(one.rule, one.name, own)
            reported = running.get(one.name)
            worked = now - one.at
            if reported is None and expected is None:
                return None
            begun += worked if reported is not None or expected is None else min(worked, expected)
            work += reported if reported is not None else max((expected or 0.0) - worked, 0.0)
            sure &= known or reported is not None
        for rule, count in self.counts.items():
            waiting = count - self.begun.get(rule, 0)
            if waiting > 0:
                seconds, known = self._waiting(rule, own)
                if seconds is None:
                    return None
                work = work + waiting * seconds
                sure = sure and known
        pace = (self.through + begun + SETTLED) / (now - self.begun_at + SETTLED)
        return f"{'' if sure else 'about '}{clock(work / max(pace, 1e-3))} left"

    def _seen(self, one: Started, now: float) -> tuple[str, float | None]:
        """How far a running job is, as text, and the seconds it still needs, None where unknown."""
        if one.job is None or one.log is None:
            return "", None
        results = RunFolder.of_log(one.log).path
        seen = look(one.job, results, now)
        if seen.state == "running":
            return seen.note, seen.left
        # on file systems without locks, a log that changed since the start shows that the job runs
        if _changed(one.log) >= one.at:
            return progress_of(one.job, results, one.log, now)
        return "starting", None

    def _expected(self, rule: str, name: str, own: list[float]) -> tuple[float | None, bool]:
        """Expected seconds of a job, and whether they are from benchmarks."""
        if name in self.expected:
            return self.expected[name], True
        return self._mean(self.took.get(rule) or own), False

    def _waiting(self, rule: str, own: list[float]) -> tuple[float | None, bool]:
        """Expected seconds of a job that has not begun, the mean over its rule, and whether they
        are from benchmarks."""
        seconds = [
            self.expected[name]
            for name, job in self.planned.items()
            if job.rule == rule and name in self.expected
        ]
        if seconds:
            return self._mean(seconds), True
        return self._mean(self.took.get(rule) or own), False

    @staticmethod
    def _mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values else None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _row(one: Started, note: str, left: float | None, now: float) -> str:
    time_left = f"{clock(left)} left" if left is not None else f"{clock(now - one.at)} so far"
    return "  " + "  ".join(
        part for part in (one.name, time_left, note.removeprefix(f"{one.name} ")) if part
    )
