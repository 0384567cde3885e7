"""How long jobs take side by side: each starts as soon as what it reads is there and a core and its
GPUs are free."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from hgm.control.jobs import PlannedJob
from hgm.plan import Plan
from hgm.variants import VARIANTS

LEARNING = ("coarse", "fusion", "pairs", "base", "controlnet", "normals")


def wall_seconds(
    plan: Plan, jobs: Sequence[PlannedJob], seconds: Mapping[str, float], *, gpus: int, cores: int
) -> float:
    """From the first job to the last. `seconds` are those of the jobs to do, by name; the others
    are done. Jobs are begun in the order of the data; one that wants more than there is gets
    all."""
    left = [job for job in jobs if job.name in seconds]
    names = {job.name for job in left}
    waits = {job.name: {name for name in before(plan, job, jobs) if name in names} for job in left}
    free = [gpus, cores]
    now = 0.0
    running = list[tuple[float, str, int, int]]()
    while left:
        begun = []
        for job in left:
            asked = min(job.gpus, gpus)
            threads = 1
            if not waits[job.name] and asked <= free[0] and threads <= free[1]:
                free[0], free[1] = free[0] - asked, free[1] - threads
                heapq.heappush(running, (now + seconds[job.name], job.name, asked, threads))
                begun.append(job.name)
        left = [job for job in left if job.name not in begun]
        now, name, asked, threads = heapq.heappop(running)
        free[0], free[1] = free[0] + asked, free[1] + threads
        for others in waits.values():
            others.discard(name)
    return max([now, *(end for end, *_ in running)])


def before(plan: Plan, job: PlannedJob, jobs: Sequence[PlannedJob]) -> list[str]:
    """Names of the jobs whose products a job reads, of a chunk those of the same chunk. For the
    clock alone: the rules decide what really waits for what."""
    wanted = _rules_before(plan, job)
    chunk = job.name.rsplit("/", 1)[-1] if job.members else None
    found = []
    for other in jobs:
        if other.name == job.name or not any(_fits(other, rule, part) for rule, part in wanted):
            continue
        same = (
            chunk is None
            or not other.members
            or (other.rule in ("standin", "render") and job.rule in LEARNING)
        )
        if same or other.name.rsplit("/", 1)[-1] == chunk:
            found.append(other.name)
    return found


def _fits(job: PlannedJob, rule: str, part: str | None) -> bool:
    """Whether a job is of the rule, and of the part of it that the second component of its name, or
    its own, names."""
    return job.rule == rule and (part is None or part in job.name.split("/"))


def _rules_before(plan: Plan, job: PlannedJob) -> list[tuple[str, str | None]]:
    """Rules, and which of their jobs; None: all of the rule."""
    config = plan.config
    rule = job.rule
    if rule in ("reconstruct", "mesh", "evaluate"):
        name = job.name.split("/")[1]
        v = VARIANTS[name]
        if rule == "evaluate":
            return [("reconstruct", name), ("mesh", name)]
        if rule == "mesh":
            return [("reconstruct", name), ("normals", None)]
        first = (
            ("refine", f"refine{v.first}{v.side_views}")
            if v.refined
            else ("estimate", f"estimate{v.first}")
        )
        return [
            first,
            ("coarse", f"coarse{v.networks}"),
            *([("fusion", f"fusion{v.networks}")] if v.two_view else []),
            *([("controlnet", None), ("base", None)] if v.diffusion else []),
        ]
    own: dict[str, list[tuple[str, str | None]]] = {
        "body_model": [("record", None)],
        "standin": [("body_model", None)],
        "catalogue": [("standin", None), ("body_model", None)],
        "render": [("catalogue", None)],
        "base": [("render", None)],
        "normals": [("render", None)],
        "coarse": [("render", None)],
        "pairs": [("coarse", "coarse")],
        "controlnet": [("pairs", None), ("base", None)],
        "fusion": [
            ("render", None),
            *(
                [("coarse", job.name.replace("fusion", "coarse"))]
                if config["fusion"]["warm_start"]
                else []
            ),
            *([("pairs", None)] if config["fusion"]["back_share"] else []),
        ],
        "estimate_pixie": [("render", None)],
        "estimate_pymafx": [("render", None)],
        "estimate": [("render", None), ("estimate_pixie", None), ("estimate_pymafx", None)],
        "refine": [("estimate", None), ("coarse", "coarse"), ("normals", None)],
        "baseline": [("render", None)],
        "photos": [
            ("fusion", None),
            ("controlnet", None),
            ("normals", None),
            ("estimate_pixie", None),
            ("estimate_pymafx", None),
        ],
        "report": [
            (other, None) for other in ("evaluate", "baseline", "photos", "controlnet", "normals")
        ],
    }
    return own.get(rule, [])
