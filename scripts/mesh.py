"""Mesh the subjects of one chunk and one variant."""

from pathlib import Path

import torch

from hgm.body.files import load_body
from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, for_each
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import read_json, write_json
from hgm.gaussians import Gaussians
from hgm.mesh.settings import Mesh
from hgm.scans.data_source import body_model
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.meshing import mesh_subject, mesh_without_normals
from hgm.systems.hgm.normal_estimators import estimator_digest, load_estimator


def main(job: Job) -> None:
    params = job.params
    manifest = job.path("manifest")
    device = select_device(params["device"])
    settings = Mesh(**params["mesh"])
    backends = job_backends(params, device)
    normals = params["normals"]
    results = manifest.parents[2]
    refined = settings.refine_steps > 0
    estimator = (
        load_estimator(normals, results, device=device, backend=backends["splat"])
        if refined
        else None
    )
    faces = body_model(params["scans"], results).faces
    keys = read_json(job.path("subjects"))["members"]
    weights = estimator_digest(normals, results) if refined else ""
    times = MemberTimes(
        results
        / "benchmarks"
        / job.rule
        / job.wildcards["variant"]
        / f"{job.wildcards['chunk']}.members.json"
    )

    def work(subject: str, out: Path) -> None:
        gaussians = Gaussians.load_ply(out / "gaussians.ply").to(device)
        vertices = torch.from_numpy(load_body(out / "smplx.npz")["vertices"])
        with times.measured(subject):
            if estimator is None:
                mesh_without_normals(gaussians, out, settings, backend=backends["splat"])
            else:
                mesh_subject(
                    gaussians, vertices, faces, estimator, out, settings, backend=backends["splat"]
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
