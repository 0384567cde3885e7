"""Measure another method's results for the subjects of one chunk."""

from pathlib import Path

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.metrics.lpips import load_lpips
from hgm.scans.data_source import DataSource
from hgm.scans.sources import find_scan
from hgm.systems.hgm.baselines import baseline_key, measure_baseline


def main(job: Job) -> None:
    params = job.params
    views = job.path("views")
    method = job.wildcards["method"]
    folder = Path(params["folder"])
    place = DataSource.of(params["scans"], job.run)
    if not folder.is_dir():
        raise InputError(
            f"evaluate.baselines.{method}: {folder} is not a folder; expected the method's "
            "results by subject"
        )
    lpips = load_lpips(params["weights"]["vgg16"], params["weights"]["lpips"])
    keys = outcome_in(views).members

    def work(subject: str, out: Path) -> None:
        metrics = measure_baseline(
            folder / subject,
            views.parent / subject,
            find_scan(place.source, place.root, subject),
            place.model,
            out,
            method=method,
            lpips=lpips,
            seed=params["seed"],
            surface_samples=params["evaluate"]["surface_samples"],
        )
        write_json(out / "metrics.json", metrics)

    do_items(
        job,
        sorted(keys),
        key=lambda s: baseline_key(folder, s, dict(params), keys[s]),
        work=work,
        may_lack_all=True,
    )


if __name__ == "__main__":
    run(main)
