"""Render the ControlNet's pairs with the unconverged coarse model."""

from hgm.core.devices import select_device
from hgm.core.items import mark_file, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import folder_digest, key_of
from hgm.core.manifests import write_json
from hgm.scans.dataset import rendered
from hgm.systems.hgm.back_view.pairs import make_pairs
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.reconstruction import BackRenderer
from hgm.systems.hgm.training import EARLY, load_hgm


def main(job: Job) -> None:
    params = job.params
    manifest = job.path("manifest")
    device = select_device(params["device"])
    backends = job_backends(params, device)
    coarse = load_hgm(
        job.paths("coarse")[0].parent,
        weights=EARLY,
        device=device,
        sparse_backend=backends["sparse"],
    )
    renderer = BackRenderer(
        coarse,
        size=params["rendering"]["size"],
        device=device,
        backend=backends["splat"],
        precision=params["network"]["precision"],
    )

    scans = {folder.name: folder for folder in rendered(job.paths("views"), "train")}
    outcomes = map(outcome_in, job.paths("views"))
    views = {name: key for outcome in outcomes for name, key in outcome.members.items()}
    weights = job.digests("coarse")
    listing = make_pairs(
        scans,
        manifest.parent,
        renderer.render,
        factors=params["pairs"]["factors"],
        key=lambda scan: key_of(dict(params), views[scan], weights),
    )
    marks = mark_file(manifest.parent, job.rule).name  # they hold the code's key as well
    key = folder_digest(manifest.parent, skip=[manifest.name, marks])
    used = {kind: [name] for kind, name in backends.items()}
    write_json(manifest, {"stage": job.rule, "backends": used, **listing, "key": key})


if __name__ == "__main__":
    run(main)
