"""The jobs of a configuration, each with the people that it works on and its amount of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgm.systems import optional_part
from hgm.workflow.dag import Record, records
from hgm.workflow.plan import Plan


@dataclass(frozen=True)
class PlannedJob:
    """One job. `name`: of its log and its benchmark, without the suffix."""

    rule: str
    name: str
    outputs: tuple[str, ...] = ()  # below results/<run>
    members: tuple[str, ...] = ()  # people that it works on one after the other
    work: float = 1.0  # its amount: people, or samples that a training sees
    gpus: int = 0
    threads: int = 1
    memory_mb: int = 0  # requested at the first attempt
    after: tuple[str, ...] = ()  # names of the jobs whose outputs it reads

    def is_made(self, results: Path) -> bool:
        """Whether all its outputs exist."""
        return all((results / path).exists() for path in self.outputs)

    @property
    def manifest(self) -> str | None:
        """The output that records which members are done and which failed."""
        return next((path for path in self.outputs if path.endswith(".json")), None)


def planned_jobs(plan: Plan) -> list[PlannedJob]:
    """All jobs of a configuration in the order of the data, whether done or not. Raises InputError
    where Snakemake cannot plan the run."""
    return jobs_of(plan, records(plan))


def jobs_of(plan: Plan, found: Sequence[Record]) -> list[PlannedJob]:
    """The jobs that records of Snakemake's plan describe (`hgm.workflow.dag`)."""
    return [
        job_of(
            plan,
            record["rule"],
            record["name"],
            record["wildcards"],
            outputs=tuple(record["outputs"]),
            gpus=record["gpus"],
            threads=record["threads"],
            memory_mb=record["memory_mb"],
            after=tuple(record["after"]),
        )
        for record in found
    ]


def job_of(
    plan: Plan, rule: str, name: str, wildcards: Mapping[str, str], **fields: Any
) -> PlannedJob:
    """A job with its people and its work, which the configuration decides; the other fields are
    given."""
    members = tuple(plan.people(rule, wildcards))
    tables = optional_part(plan.system, "tables")
    work = tables.amount(plan, rule, members, wildcards) if tables else float(len(members) or 1)
    return PlannedJob(rule, name, members=members, work=work, **fields)


def finished(jobs: Sequence[PlannedJob], results: Path) -> set[str]:
    """Names of the jobs that have nothing left to do: their outputs exist, or all jobs that read
    these outputs are finished themselves."""
    readers = readers_of(jobs)
    done: set[str] = set()
    for job in reversed(jobs):
        if job.is_made(results) or (readers[job.name] and readers[job.name] <= done):
            done.add(job.name)
    return done


def readers_of(jobs: Sequence[PlannedJob]) -> dict[str, set[str]]:
    """For each job, the names of the jobs that read its outputs."""
    readers: dict[str, set[str]] = {job.name: set() for job in jobs}
    for job in jobs:
        for name in job.after:
            if name in readers:
                readers[name].add(job.name)
    return readers


def size_of(plan: Plan, rule: str) -> dict[str, Any]:
    """The settings that decide what one member or sample of a rule costs, with their values: all of
    them but the run's name where the system does not say which."""
    tables = optional_part(plan.system, "tables")
    if tables is None:
        return {key: value for key, value in plan.config.items() if key != "run"}
    found = {}
    for key in tables.DEPENDS_ON.get(rule, ()):
        value: Any = plan.config
        for name in key.split("."):
            value = value[name]
        found[key] = value
    return found
