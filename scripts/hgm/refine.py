"""Refine the bodies of one chunk against the coarse model's silhouettes."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.scans.data_source import body_model
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.normal_estimators import reader_of_normals
from hgm.systems.hgm.reconstruction import load_reconstructor
from hgm.systems.hgm.run_folder import Networks
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.subjects import refine_rendered


def main(job: Job) -> None:
    params = job.params
    device = select_device(params["device"])
    backends = job_backends(params, device)
    networks = Networks.of(job)
    model = body_model(params["scans"], job.run, device)
    reconstructor = load_reconstructor(networks, params, device=device, backends=backends)
    section = params["normals"]  # empty where the weight of normals is zero
    normals, read = reader_of_normals(
        section, networks.normals, device, backends["splat"], wanted=bool(section)
    )
    settings = Refine(**params["refine"])
    keys = outcome_in(job.path("bodies")).members
    weights = [*job.digests("coarse"), *read]
    times = MemberTimes.of(job)

    def work(subject: str, out: Path) -> None:
        with times.measured(subject):
            refine_rendered(
                job.path("views").parent / subject,
                job.path("bodies").parent / subject,
                out,
                model,
                reconstructor,
                settings,
                normals=normals,
                backend=backends["splat"],
            )

    do_items(
        job,
        sorted(keys),
        key=lambda s: key_of(dict(params), keys[s], weights),
        work=work,
        backends=backends,
    )


if __name__ == "__main__":
    run(main)
