"""Measure disparity and novel views of each pair."""

from pathlib import Path

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.metrics.lpips import load_lpips
from hgm.splat import backend_for
from hgm.systems.posegaussian.evaluation import evaluate_pair
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.parts import folder_of
from hgm.systems.posegaussian.true_views import photos_of, true_views


def main(job: Job) -> None:
    params = job.params
    backend = backend_for(params["splat"], "cpu")
    lpips = load_lpips(params["weights"]["vgg16"], params["weights"]["lpips"])
    fusion, pairs = job.wildcards["fusion"], job.path("pairs").parent
    root = job.path("views").parent / folder_of(job.wildcards["part"])
    made = outcome_in(job.path("made")).members

    def work(name: str, out: Path) -> None:
        pair = RectifiedPair.load(pairs / f"{name}.npz")
        files = PairFiles(root, name)
        evaluate_pair(
            out, pair, photos_of(files), true_views(files, pair.size),
            variant=fusion, standin=params["standin"], simple=params["baselines"],
            lpips=lpips, backend=backend,
        )  # fmt: skip

    do_items(
        job,
        sorted(made),
        key=lambda name: key_of(dict(params), made[name]),
        work=work,
        folder=lambda name: job.run.subjects / fusion / name,
        backends={"splat": backend},
    )


if __name__ == "__main__":
    run(main)
