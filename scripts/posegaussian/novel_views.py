"""Make the Gaussians of each pair and the views between its cameras."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.splat import backend_for
from hgm.systems.posegaussian.dataset import common_members, pair_members
from hgm.systems.posegaussian.network import PoseGaussian
from hgm.systems.posegaussian.novel_views import halfway, show_pair
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.results import results_of
from hgm.systems.posegaussian.settings import Between
from hgm.systems.posegaussian.true_views import novel_cameras


def main(job: Job) -> None:
    params, pairs, views = job.params, job.path("pairs"), job.paths("views")
    heat = job.paths("heatmaps")
    results = results_of(job.run, job.wildcards["fusion"], job.wildcards["shots"])
    device = select_device(params["device"])
    network = PoseGaussian.load(job.path("weights").parent, device)
    backend = backend_for(params["splat"], device)
    settings = Between(**params["between"])
    # of a real rig there are no views
    files = {m.name: m.files for m in pair_members([pairs], views)} if views else {}
    manifests = [pairs, *views, *heat]
    keys = [outcome_in(manifest).members for manifest in manifests]
    reads = job.digests("weights", "design")

    def work(name: str, out: Path) -> None:
        pair = RectifiedPair.load(pairs.parent / f"{name}.npz", heat=bool(heat))
        cameras = novel_cameras(files[name], pair.size) if views else halfway(pair)
        show_pair(network, pair, cameras, out, settings=settings, backend=backend)

    do_items(
        job,
        common_members([pairs, *heat]),
        key=lambda name: key_of(dict(params), [found[name] for found in keys], reads),
        work=work,
        folder=lambda name: results / name,
        backends={"splat": backend},
    )


if __name__ == "__main__":
    run(main)
