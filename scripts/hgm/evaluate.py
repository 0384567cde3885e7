"""Measure the subjects of one chunk and one variant."""

from pathlib import Path

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import write_json
from hgm.metrics.lpips import load_lpips
from hgm.scans.data_source import STANDIN, DataSource
from hgm.scans.sources import find_scan
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.evaluation import evaluate_subject


def main(job: Job) -> None:
    params = job.params
    place = DataSource.of(params["scans"], job.run)
    backends = job_backends(params, "cpu")
    lpips = load_lpips(params["weights"]["vgg16"], params["weights"]["lpips"])
    reconstructed, meshed = (outcome_in(job.path(name)).members for name in ("subjects", "meshes"))

    def work(subject: str, out: Path) -> None:
        metrics = evaluate_subject(
            out,
            job.path("views").parent / subject,
            job.path("first").parent / subject,
            find_scan(place.source, place.root, subject),
            place.model,
            variant=job.wildcards["variant"],
            standin=place.source == STANDIN,
            lpips=lpips,
            seed=params["seed"],
            surface_samples=params["evaluate"]["surface_samples"],
            simple=params["simple_baselines"],
            backend=backends["splat"],
        )
        write_json(out / "metrics.json", metrics)

    do_items(
        job,
        sorted(reconstructed),
        key=lambda s: key_of(dict(params), reconstructed[s], meshed.get(s)),
        work=work,
        backends=backends,
    )


if __name__ == "__main__":
    run(main)
