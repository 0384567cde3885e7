"""Every job that a configuration asks for: what is done, what runs and what it will cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgm.systems import part
from hgm.workflow.plan import Plan


@dataclass(frozen=True)
class PlannedJob:
    """One job; `name` is that of its log and benchmark without the suffix."""

    rule: str
    name: str
    output: str  # what shows that it is done, below results/<run>
    members: tuple[str, ...] = ()  # people it works on one after the other
    work: float = 1.0  # its size: people, or samples that a training sees
    gpus: int = 0
    training: bool = False  # it keeps a state to resume from
    # an output that takes the place of its own, once `hgm prune` has deleted that
    successor: str = ""

    def done(self, results: Path) -> bool:
        """Whether its product is there, or was and is not needed any more."""
        return any((results / path).exists() for path in (self.output, self.successor) if path)

    @property
    def state(self) -> str:
        """Folder of its training state below results/<run>."""
        return f"state/{self.name}"


def planned_jobs(plan: Plan) -> list[PlannedJob]:
    """All jobs of a configuration in the order of the data, whether done or not."""
    found: list[PlannedJob] = part(plan.system, "jobs").planned_jobs(plan)
    return found


def size_of(plan: Plan, rule: str) -> dict[str, Any]:
    """The values that decide what one member or sample of a rule costs."""
    found: dict[str, Any] = part(plan.system, "jobs").size_of(plan.config, rule)
    return found


def before(plan: Plan, job: PlannedJob, jobs: Sequence[PlannedJob]) -> list[str]:
    """Names of the jobs whose products a job reads."""
    found: list[str] = part(plan.system, "jobs").before(plan, job, jobs)
    return found
