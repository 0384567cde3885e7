"""Refine the bodies of one chunk against the coarse model's silhouettes."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, for_each
from hgm.core.job import Job, run
from hgm.core.keys import file_digest, key_of
from hgm.core.manifests import read_json, write_json
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path
from hgm.scans.data_source import body_model
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.bodies import load_estimate, refine_subject
from hgm.systems.hgm.normal_estimators import estimator_digest, load_estimator
from hgm.systems.hgm.reconstruction import Reconstructor
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.training import load_hgm


def main(job: Job) -> None:
    params = job.params
    manifest = job.path("manifest")
    results = manifest.parents[2]
    chunk = job.wildcards["chunk"]
    device = select_device(params["device"])
    backends = job_backends(params, device)
    model = body_model(params["scans"], results, device)
    coarse = load_hgm(job.path("coarse").parent, device=device, sparse_backend=backends["sparse"])
    reconstructor = Reconstructor(
        coarse,
        None,
        None,
        size=params["rendering"]["size"],
        device=device,
        backend=backends["splat"],
        precision=params["network"]["precision"],
    )
    settings = Refine(**params["refine"])
    keys = read_json(job.path("bodies"))["members"]
    normals = params["normals"] or None  # empty where their weight is zero
    estimator = (
        None
        if normals is None
        else load_estimator(normals, results, device=device, backend=backends["splat"])
    )
    weights = [
        file_digest(job.path("coarse")),
        *([] if normals is None else [estimator_digest(normals, results)]),
    ]
    times = MemberTimes(
        results
        / "benchmarks"
        / "{}{first}{sides}".format(job.rule, **job.wildcards)
        / f"{chunk}.members.json"
    )

    def work(subject: str, out: Path) -> None:
        folder = results / "views" / chunk / subject
        views = Viewpoints.read(folder)
        image, mask = (load_image(view_path(folder, kind, views.front)) for kind in ("rgb", "mask"))
        start = load_estimate(job.path("bodies").parent / subject / "smplx.npz")
        with times.measured(subject):
            refine_subject(
                start,
                image,
                mask,
                views.cameras[views.front],
                model,
                reconstructor,
                out,
                settings,
                normals=estimator,
                backend=backends["splat"],
            )

    outcome = for_each(
        sorted(keys),
        job.rule,
        folder=lambda s: manifest.parent / s,
        key=lambda s: key_of(dict(params), keys[s], weights),
        work=work,
        backends=backends,
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
