"""Mesh the subjects of one chunk and one variant."""

from pathlib import Path

from hgm.core.items import do_members
from hgm.core.job import Job, run
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.pipeline.mesh import MeshStep


def main(job: Job) -> None:
    equipment = Equipment.of_job(job)
    step = MeshStep.of(equipment)

    def work(subject: str, out: Path) -> None:
        step.do_folder(out)

    do_members(job, "subjects", work, reads=step.digests, backends=equipment.backends)


if __name__ == "__main__":
    run(main)
