"""Hours of a run before it starts: computed from its work and a device's rates, corrected by what
earlier runs took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hgm.core.manifests import read_json
from hgm.core.progress import clock
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.report.costs import benchmark
from hgm.systems import optional_part
from hgm.workflow.cards import CARDS, Card, Range
from hgm.workflow.jobs import PlannedJob, finished, job_of, planned_jobs, size_of
from hgm.workflow.plan import Plan, plan_for
from hgm.workflow.timetable import wall_seconds

# The factor by which a job's time may differ from the estimate: measured on jobs of the same size,
# and scaled from jobs of other sizes. Tests compare runs with these.
SAME = 1.25
SCALED = 2.0
# … scaled, for the rules that the system names (FARTHER of its part `work`)
FARTHER = 3.0
# note of a rule that no run has measured and whose work the system does not compute
UNKNOWN = "not known"


@dataclass(frozen=True)
class Figure:
    """What one job of an earlier run took."""

    system: str
    run: str
    rule: str
    name: str
    size: str  # the settings that its time depends on, as text
    seconds: float
    work: float
    memory_mb: float | None
    on_gpu: bool = False
    # its time as computed from its work and the rates of the forecast's device
    computed: Range | None = None


def read_figures(results: Path, card: Card | None = None) -> list[Figure]:
    """What the jobs of all runs below `results` took, from their benchmarks and their own records;
    runs without a readable record of their configuration are left out."""
    found = []
    for run in sorted(p for p in results.glob("*") if (p / "benchmarks").is_dir()):
        folder = RunFolder(run)
        try:
            plan = plan_for(read_json(folder.record)["config"])
        except (InputError, KeyError, TypeError):
            continue
        for name in folder.jobs():
            measured = benchmark(folder.benchmark(name))
            job = _recorded(folder, name, plan) if measured is not None else None
            if measured is not None and job is not None and job.work:
                on_gpu = _claimed(folder.log(name))
                found.append(
                    Figure(
                        plan.system,
                        run.name,
                        job.rule,
                        job.name,
                        repr(size_of(plan, job.rule)),
                        measured[0],
                        job.work,
                        measured[1],
                        on_gpu,
                        computed(job, plan, card, on_gpu) if card else None,
                    )
                )
    return found


def _recorded(folder: RunFolder, name: str, plan: Plan) -> PlannedJob | None:
    """A job of an earlier run, from the record that it wrote; None where that cannot be read."""
    try:
        data = read_json(folder.job_record(name))
        rule = str(data["rule"])
        return job_of(plan, rule, name, dict(data["wildcards"]), gpus=plan.gpus(rule))
    except (InputError, LookupError, TypeError, ValueError, AttributeError):
        return None


def _claimed(log: Path) -> bool:
    """Whether a job worked on a GPU: its log names the one that it claimed (hgm.core.devices)."""
    try:
        return any(line.startswith("GPU ") for line in log.read_text(errors="replace").splitlines())
    except OSError:
        return False


def computed(job: PlannedJob, plan: Plan, card: Card, on_gpu: bool) -> Range | None:
    """Seconds of a job by its work and the card's rates, or the rates of a core where the job uses
    no GPU. None where the system does not compute the work."""
    work = optional_part(plan.system, "work")
    on = card if on_gpu and card.gpu else CARDS["cpu"]
    found: Range | None = work.seconds_of(job, plan, on) if work else None
    return found


@dataclass(frozen=True)
class RunForecast:
    """The forecast of one rule. `seconds`: of all its jobs that are not done, one after the other;
    `each`: of each of these jobs, by name."""

    rule: str
    jobs: int
    left: int
    seconds: Range
    gpu_seconds: Range
    memory_mb: float | None
    note: str
    each: dict[str, Range]

    @property
    def is_unknown(self) -> bool:
        """Whether jobs are left whose time cannot be estimated."""
        return self.note == UNKNOWN


def of_rule(rule: str, plan: Plan, figures: Iterable[Figure]) -> list[Figure]:
    """The figures of a rule of the plan's system; another system's rule may have its name."""
    return [f for f in figures if f.rule == rule and f.system == plan.system]


def seconds_of(job: PlannedJob, plan: Plan, figures: Iterable[Figure]) -> float | None:
    """Seconds that a job would take: its work times the seconds per work that jobs of its rule and
    size took, those of the same name where there are any. None where no such job was measured."""
    size = repr(size_of(plan, job.rule))
    fitting = [f for f in of_rule(job.rule, plan, figures) if f.size == size]
    same = [f for f in fitting if f.name == job.name]
    chosen = same or fitting
    if not chosen:
        return None
    return job.work * sum(f.seconds for f in chosen) / sum(f.work for f in chosen)


def forecast(plan: Plan, results: Path, figures: Sequence[Figure], card: Card) -> list[RunForecast]:
    """One row for each rule of a plan, in the order of the data; `results` is the run's folder,
    which need not exist.

    A job is expected to take what jobs of its rule and size took. Where none was measured, its time
    is computed from its work and the card's rates, times the median of measured over computed time
    of its rule's jobs of other sizes. Figures of a CPU are not used for a GPU, nor the other way
    round.
    """
    rules: dict[str, list[PlannedJob]] = {}
    every = planned_jobs(plan)
    for job in every:
        rules.setdefault(job.rule, []).append(job)
    done = finished(every, results)
    return [_estimate(rule, jobs, plan, done, figures, card) for rule, jobs in rules.items()]


def _estimate(
    rule: str,
    jobs: list[PlannedJob],
    plan: Plan,
    done: set[str],
    figures: Sequence[Figure],
    card: Card,
) -> RunForecast:
    left = [job for job in jobs if job.name not in done]
    size = repr(size_of(plan, rule))
    on_gpu = card.gpu and any(job.gpus for job in jobs)
    fitting = [f for f in of_rule(rule, plan, figures) if f.on_gpu == on_gpu]
    found = {job.name: _seconds(job, plan, fitting, card, on_gpu) for job in left}
    each = {name: seconds for name, seconds in found.items() if seconds is not None}
    zero = Range()
    same = [f for f in fitting if f.size == size]
    runs = ", ".join(sorted({f.run for f in same or fitting}))
    note = (
        "done"
        if not left
        else f"from {runs}"
        if same
        else UNKNOWN
        if len(each) < len(left)
        else f"computed, scaled by {runs}"
        if fitting
        else "computed"
    )
    return RunForecast(
        rule,
        len(jobs),
        len(left),
        sum(each.values(), zero),
        sum((each.get(job.name, zero) * job.gpus for job in left), zero) if card.gpu else zero,
        max((f.memory_mb for f in same if f.memory_mb is not None), default=None),
        note,
        each,
    )


def _seconds(
    job: PlannedJob, plan: Plan, fitting: Sequence[Figure], card: Card, on_gpu: bool
) -> Range | None:
    measured = seconds_of(job, plan, fitting)
    if measured is not None:
        return Range.within(measured, SAME)
    plain = computed(job, plan, card, on_gpu)
    if plain is None:
        return None
    ratios = [f.seconds / f.computed.likely for f in fitting if f.computed is not None]
    if not ratios:
        return plain
    return Range.within(plain.likely * statistics.median(ratios), factor_of(job.rule, plan.system))


def factor_of(rule: str, system: str) -> float:
    """The factor by which a job of a rule may differ from an estimate scaled from jobs of other
    sizes."""
    work = optional_part(system, "work")
    return FARTHER if work and rule in work.FARTHER else SCALED


def table(
    estimates: Sequence[RunForecast], plan: Plan, card: Card, *, gpus: int, cores: int
) -> str:
    """The forecast as text: aligned rows, then what the whole run needs in GPU-hours, hours and
    disk, each with the range in which it is expected."""
    rows = [("rule", "jobs", "to do", "hours", "between", "GPU-hours", "GiB", "figures")]
    for e in estimates:
        memory = "-" if e.memory_mb is None else f"{e.memory_mb / 1024:.1f}"
        rows.append(
            (
                e.rule,
                str(e.jobs),
                str(e.left),
                "-" if e.is_unknown else clock(e.seconds.likely),
                between(e.seconds),
                "-" if e.is_unknown else clock(e.gpu_seconds.likely),
                memory,
                e.note,
            )
        )
    total, gpu_total = (
        sum(x, Range())
        for x in ([e.seconds for e in estimates], [e.gpu_seconds for e in estimates])
    )
    rows.append(
        (
            "all",
            str(sum(e.jobs for e in estimates)),
            str(sum(e.left for e in estimates)),
            clock(total.likely),
            between(total),
            clock(gpu_total.likely),
            "",
            "one job after the other",
        )
    )
    wall = wall_time(estimates, plan, gpus=gpus, cores=cores)
    place = f"{gpus} × {card.title}, {cores} cores" if card.gpu else f"{cores} cores"
    lines = [*aligned(rows), "", f"On {place}:"]
    needed = [
        ("GPU-hours", clock(gpu_total.likely), between(gpu_total)),
        ("hours", clock(wall.likely), between(wall)),
    ]
    if space := optional_part(plan.system, "space"):
        disk = space.disk_bytes(plan)
        bounds = f"{gigabytes(disk.low)} to {gigabytes(disk.high)}"
        needed.append(("disk", gigabytes(disk.likely), bounds))
    lines += aligned(needed)
    if unknown := [e.rule for e in estimates if e.is_unknown]:
        lines.append(
            f"Not known: no run has measured {', '.join(unknown)}, so all of it takes longer than "
            "these hours; the first run will tell."
        )
    if any(e.note == "computed" for e in estimates):
        lines.append(
            "Computed: no run has measured such a job; work over the device's rates, of which "
            "shares are assumed (docs/operations.md)."
        )
    return "\n".join(lines) + "\n"


def wall_time(estimates: Sequence[RunForecast], plan: Plan, *, gpus: int, cores: int) -> Range:
    """Seconds from the first job that is left to the end of the last, with jobs side by side on
    these GPUs and cores."""
    jobs = planned_jobs(plan)
    each = {name: found for e in estimates for name, found in e.each.items()}
    return Range(
        *(
            wall_seconds(
                jobs,
                {name: getattr(x, bound) for name, x in each.items()},
                gpus=gpus,
                cores=cores,
            )
            for bound in ("low", "likely", "high")
        )
    )


def between(found: Range) -> str:
    """The bounds of a range as text; empty where they are equal."""
    return f"{clock(found.low)} to {clock(found.high)}" if found.high > found.low else ""


def gigabytes(count: float) -> str:
    """A number of bytes as text."""
    value = count / 1e9
    return f"{value:.1f} GB" if value < 10 else f"{value:.0f} GB"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with columns as wide as their widest cell; the first and the last are
    aligned to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True)),
                row[-1],
            ]
        ).rstrip()
        for row in rows
    ]
