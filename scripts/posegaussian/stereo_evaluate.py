"""Measure disparity and novel views of each pair."""

from pathlib import Path

from hgm.core.devices import select_device
from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.metrics.lpips import load_lpips
from hgm.splat import backend_for
from hgm.systems.posegaussian.dataset import pair_members
from hgm.systems.posegaussian.evaluation import Protocol, evaluate_pair
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.results import results_of
from hgm.systems.posegaussian.true_views import photos_of, true_views


def main(job: Job) -> None:
    params, fusion = job.params, job.wildcards["fusion"]
    results = results_of(job.run, fusion, job.wildcards["part"])
    device = select_device(params["device"])
    backend = backend_for(params["splat"], device)
    lpips = load_lpips(params["weights"]["vgg16"], params["weights"]["lpips"])
    lpips = lpips and lpips.to(device)
    protocol = Protocol(fusion, params["standin"], params["baselines"], lpips, backend, device)
    members = {m.name: m for m in pair_members([job.path("pairs")], [job.path("views")])}
    made = outcome_in(job.path("made")).members

    def work(name: str, out: Path) -> None:
        pair, files = RectifiedPair.load(members[name].rectified), members[name].files
        evaluate_pair(out, pair, photos_of(files, pair), true_views(files, pair), protocol)

    do_items(
        job,
        sorted(made),
        key=lambda name: key_of(dict(params), made[name]),
        work=work,
        folder=lambda name: results / name,
        backends={"splat": backend},
    )


if __name__ == "__main__":
    run(main)
