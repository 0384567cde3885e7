"""Measure the subjects of one chunk and one variant."""

from pathlib import Path

from hgm.core.items import for_each
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import read_json, write_json
from hgm.metrics.lpips import load_lpips
from hgm.scans.data_source import STANDIN, DataSource
from hgm.scans.sources import find_scan
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.evaluation import evaluate_subject
from hgm.systems.hgm.variants import VARIANTS


def main(job: Job) -> None:
    params = job.params
    manifest = job.path("manifest")
    results = manifest.parents[2]
    chunk = job.wildcards["chunk"]
    weights = params["weights"]
    place = DataSource.of(params["scans"], results)
    first = f"estimated{VARIANTS[job.wildcards['variant']].first}"
    backends = job_backends(params, "cpu")
    lpips = load_lpips(weights["vgg16"], weights["lpips"])
    reconstructed, meshed = (
        read_json(job.path(name))["members"] for name in ("subjects", "meshes")
    )

    def work(subject: str, out: Path) -> None:
        metrics = evaluate_subject(
            out,
            results / "views" / chunk / subject,
            results / "bodies" / first / subject,
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

    outcome = for_each(
        sorted(reconstructed),
        job.rule,
        folder=lambda s: manifest.parent / s,
        key=lambda s: key_of(dict(params), reconstructed[s], meshed.get(s)),
        work=work,
        backends=backends,
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
