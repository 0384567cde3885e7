"""Hours of a run before it starts, from the benchmarks of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hgm.control.jobs import PlannedJob, planned_jobs, size_of
from hgm.errors import InputError
from hgm.plan import Plan
from hgm.provenance import read_json
from hgm.report.costs import benchmark
from hgm.runtime import clock


@dataclass(frozen=True)
class Figure:
    """What one job of an earlier run took."""

    run: str
    rule: str
    name: str
    size: str  # the values that it depends on, as text
    seconds: float
    work: float
    memory_mb: float | None


def read_figures(results: Path) -> list[Figure]:
    """The benchmarks of all runs below `results`; runs without a readable record of their configuration are left out."""
    found = []
    for run in sorted(p for p in results.glob("*") if (p / "benchmarks").is_dir()):
        try:
            plan = Plan(read_json(run / "run.json")["config"])
        except (InputError, KeyError, TypeError):
            continue
        for job in planned_jobs(plan):
            measured = benchmark(run / "benchmarks" / f"{job.name}.jsonl")
            if measured is not None and job.work:
                found.append(Figure(run.name, job.rule, job.name, repr(size_of(plan.config, job.rule)), measured[0], job.work,
                                    measured[1]))
    return found


@dataclass(frozen=True)
class Estimate:
    """One rule of a run. `seconds` are those of the jobs not done yet, one after the other; None without figures."""

    rule: str
    jobs: int
    left: int
    seconds: float | None
    gpu_seconds: float | None
    memory_mb: float | None
    note: str


def seconds_of(job: PlannedJob, plan: Plan, figures: Iterable[Figure]) -> float | None:
    """What a job would take: the mean of equally sized jobs of its rule, of the same name where there is one, by its work."""
    size = repr(size_of(plan.config, job.rule))
    fitting = [f for f in figures if f.rule == job.rule and f.size == size]
    same = [f for f in fitting if f.name == job.name]
    chosen = same or fitting
    if not chosen:
        return None
    return job.work * sum(f.seconds for f in chosen) / sum(f.work for f in chosen)


def forecast(plan: Plan, results: Path, figures: Sequence[Figure]) -> list[Estimate]:
    """One row for each rule of a plan, in the order of the data; `results` is the run's folder, there or not."""
    rules: dict[str, list[PlannedJob]] = {}
    for job in planned_jobs(plan):
        rules.setdefault(job.rule, []).append(job)
    return [_estimate(rule, jobs, plan, results, figures) for rule, jobs in rules.items()]


def _estimate(rule: str, jobs: list[PlannedJob], plan: Plan, results: Path, figures: Sequence[Figure]) -> Estimate:
    left = [job for job in jobs if not job.done(results)]
    size = repr(size_of(plan.config, rule))
    fitting = [f for f in figures if f.rule == rule and f.size == size]
    times = [(seconds_of(job, plan, figures), job.gpus) for job in left]
    known = [(s, gpus) for s, gpus in times if s is not None]
    if len(known) < len(left):
        others = sorted({f.run for f in figures if f.rule == rule})
        note = f"no figures at this size (other sizes: {', '.join(others)})" if others else "no figures"
        return Estimate(rule, len(jobs), len(left), None, None, None, note)
    return Estimate(rule, len(jobs), len(left), sum(s for s, _ in known), sum(s * gpus for s, gpus in known),
                    max((f.memory_mb for f in fitting if f.memory_mb is not None), default=None),
                    f"from {', '.join(sorted({f.run for f in fitting}))}" if left else "done")


def table(estimates: Sequence[Estimate]) -> str:
    """Aligned rows, a sum, and a line that names the rules without figures."""
    rows = [("rule", "jobs", "to do", "hours", "GPU-hours", "GiB", "figures")]
    for e in estimates:
        memory = "-" if e.memory_mb is None else f"{e.memory_mb / 1024:.1f}"
        rows.append((e.rule, str(e.jobs), str(e.left), clock(e.seconds), clock(e.gpu_seconds), memory, e.note))
    total = sum(e.seconds or 0 for e in estimates)
    gpu_total = sum(e.gpu_seconds or 0 for e in estimates)
    rows.append(("all", str(sum(e.jobs for e in estimates)), str(sum(e.left for e in estimates)), clock(total), clock(gpu_total),
                 "", "one job after the other"))
    lines = aligned(rows)
    unknown = [e.rule for e in estimates if e.seconds is None]
    if unknown:
        lines.append(f"The sum lacks {', '.join(unknown)}: no run of these sizes has been measured.")
    return "\n".join(lines) + "\n"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the first and the last to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True)), row[-1]]).rstrip()
            for row in rows]
