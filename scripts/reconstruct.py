"""Reconstruct the subjects of one chunk and one variant from one picture each."""

import shutil
from pathlib import Path

import torch

from hgm.body.files import load_body
from hgm.core.devices import select_device
from hgm.core.items import MemberTimes, for_each
from hgm.core.job import Job, run
from hgm.core.keys import file_digest, key_of
from hgm.core.manifests import read_json, write_json
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import load_image, view_path
from hgm.systems.hgm.back_view.settings import BackView
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.reconstruction import load_reconstructor, write_reconstruction
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import VARIANTS


def main(job: Job) -> None:
    params = job.params
    manifest = job.path("manifest")
    results = manifest.parents[2]
    chunk = job.wildcards["chunk"]
    variant = VARIANTS[job.wildcards["variant"]]
    device = select_device(params["device"])
    backends = job_backends(params, device)
    reconstructor = load_reconstructor(
        results,
        variant,
        size=params["rendering"]["size"],
        back_view=BackView(**params["back_view"]),
        device=device,
        backend=backends["splat"],
        sparse_backend=backends["sparse"],
        precision=params["network"]["precision"],
        compiled=params["network"]["compile"],
    )
    bodies = job.path("bodies")
    output = Reconstruct(**params["reconstruct"])
    keys = read_json(bodies)["members"]
    times = MemberTimes(
        results / "benchmarks" / job.rule / job.wildcards["variant"] / f"{chunk}.members.json"
    )
    models = [file_digest(p) for name in ("coarse", "fusion", "back_view") for p in job.paths(name)]

    def work(subject: str, out: Path) -> None:
        folder = results / "views" / chunk / subject
        views = Viewpoints.read(folder)
        image = load_image(view_path(folder, "rgb", views.front))
        body = bodies.parent / subject / "smplx.npz"
        vertices = torch.from_numpy(load_body(body)["vertices"])
        with times.measured(subject) as measures:
            result = reconstructor.reconstruct(
                image, vertices if variant.body else None, variant, views
            )
            rate = write_reconstruction(
                result, image, out, output, views.cameras, backend=backends["splat"]
            )
            measures.update(
                stages=dict(result.seconds), frames_per_second=rate, size=output.turntable_size
            )
        shutil.copyfile(body, out / "smplx.npz")

    outcome = for_each(
        sorted(keys),
        job.rule,
        folder=lambda s: manifest.parent / s,
        key=lambda s: key_of(dict(params), keys[s], models),
        work=work,
        backends=backends,
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
