"""How long jobs take side by side: each starts as soon as its inputs exist and its threads and GPUs
are free."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from hgm.workflow.jobs import PlannedJob


def wall_seconds(
    jobs: Sequence[PlannedJob], seconds: Mapping[str, float], *, gpus: int, cores: int
) -> float:
    """Seconds from the start of the first job to the end of the last. `seconds`: of each job to do,
    by name; jobs without an entry are done. Jobs start in the given order; one that requests more
    than there is gets all of it."""
    left = [job for job in jobs if job.name in seconds]
    names = {job.name for job in left}
    waits = {job.name: {name for name in job.after if name in names} for job in left}
    free = [gpus, cores]
    now = 0.0
    running = list[tuple[float, str, int, int]]()
    while left:
        begun = []
        for job in left:
            asked = min(job.gpus, gpus)
            threads = min(job.threads, cores)
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
