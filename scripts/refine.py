"""Refine the bodies of one chunk against the coarse model's silhouettes."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.scans.data_source import body_model
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.normal_estimators import estimator_digest, load_estimator
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
    reconstructor = load_reconstructor(
        networks,
        size=params["rendering"]["size"],
        device=device,
        backend=backends["splat"],
        sparse_backend=backends["sparse"],
        precision=params["network"]["precision"],
    )
    settings = Refine(**params["refine"])
    keys = outcome_in(job.path("bodies")).members
    weights = job.digests("coarse")
    estimator = None
    if params["normals"]:  # empty where their weight is zero
        estimator = load_estimator(
            params["normals"], networks.normals, device=device, backend=backends["splat"]
        )
        weights.append(estimator_digest(params["normals"], networks.normals))
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
                normals=estimator,
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
