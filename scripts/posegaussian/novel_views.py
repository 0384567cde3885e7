"""Make the Gaussians of each pair and the views between its cameras."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.splat import backend_for
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.network import PoseGaussian
from hgm.systems.posegaussian.novel_views import show_pair
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.parts import folder_of
from hgm.systems.posegaussian.settings import Between
from hgm.systems.posegaussian.true_views import novel_cameras


def main(job: Job) -> None:
    params = job.params
    device = select_device(params["device"])
    network = PoseGaussian.load(job.path("weights").parent, device)
    backend = backend_for(params["splat"], device)
    views = job.paths("views")  # none of a real rig
    keys = [outcome_in(path).members for path in (job.path("pairs"), *views)]

    def work(name: str, out: Path) -> None:
        pair = RectifiedPair.load(job.path("pairs").parent / f"{name}.npz")
        cameras = {}
        if views:
            root = views[0].parent / folder_of(job.wildcards["shots"])
            cameras = novel_cameras(PairFiles(root, name), pair.size)
        settings = Between(**params["between"])
        show_pair(network, pair, cameras, out, settings=settings, backend=backend)

    reads = job.digests("weights", "design")
    do_items(
        job,
        sorted(keys[0]),
        key=lambda name: key_of(dict(params), [found[name] for found in keys], reads),
        work=work,
        folder=lambda name: job.run.subjects / job.wildcards["fusion"] / name,
        backends={"splat": backend},
    )


if __name__ == "__main__":
    run(main)
