"""Refine the bodies of one chunk against the coarse model's silhouettes."""

from pathlib import Path

from hgm.core.items import do_members
from hgm.core.job import Job, run
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.pipeline.networks import load_networks
from hgm.systems.hgm.pipeline.refine import RefineStep


def main(job: Job) -> None:
    equipment = Equipment.of_job(job)
    step = RefineStep.of(equipment, load_networks(equipment))
    views, bodies = (job.path(name).parent for name in ("views", "bodies"))

    def work(subject: str, out: Path) -> None:
        step.do_rendered(views / subject, bodies / subject, out)

    reads = job.digests("coarse") + step.digests
    do_members(job, "bodies", work, reads=reads, backends=equipment.backends)


if __name__ == "__main__":
    run(main)
