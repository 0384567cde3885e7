"""Reconstruct the subjects of one chunk and one variant from one picture each."""

from pathlib import Path
from typing import Any

from hgm.core.items import do_members
from hgm.core.job import Job, run
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.pipeline.reconstruct import ReconstructStep


def main(job: Job) -> None:
    equipment = Equipment.of_job(job)
    step = ReconstructStep.of(equipment)
    views, bodies = (job.path(name).parent for name in ("views", "bodies"))

    def work(subject: str, out: Path) -> dict[str, Any]:
        return step.do_rendered(views / subject, bodies / subject, out)

    reads = job.digests("coarse", "fusion", "back_view")
    do_members(job, "bodies", work, reads=reads, backends=equipment.backends)


if __name__ == "__main__":
    run(main)
