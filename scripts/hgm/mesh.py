"""Mesh the subjects of one chunk and one variant."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.mesh.settings import Mesh
from hgm.scans.data_source import body_model
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.meshing import mesh_folder
from hgm.systems.hgm.normal_estimators import reader_of_normals
from hgm.systems.hgm.run_folder import input_folder


def main(job: Job) -> None:
    params = job.params
    device = select_device(params["device"])
    settings = Mesh(**params["mesh"])
    backends = job_backends(params, device)
    estimator, weights = reader_of_normals(
        params["normals"],
        input_folder(job, "normals"),
        device,
        backends["splat"],
        wanted=settings.refine_steps > 0,
    )
    faces = body_model(params["scans"], job.run).faces
    keys = outcome_in(job.path("subjects")).members
    times = MemberTimes.of(job)

    def work(subject: str, out: Path) -> None:
        with times.measured(subject):
            mesh_folder(out, faces, estimator, settings, device=device, backend=backends["splat"])

    do_items(
        job,
        sorted(keys),
        key=lambda s: key_of(dict(params), keys[s], weights),
        work=work,
        backends=backends,
    )


if __name__ == "__main__":
    run(main)
