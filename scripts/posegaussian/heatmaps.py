"""Draw the pictures of joints of pairs or take over those that a user brings, and rectify them."""

from pathlib import Path

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.systems.posegaussian.heat_sources import heat_source, write_rectified_heat
from hgm.systems.posegaussian.settings import HeatMaps


def main(job: Job) -> None:
    params, pairs, settings = job.params, job.path("pairs"), HeatMaps(**job.params["heatmaps"])
    place, out = params["place"], job.path("manifest").parent
    source = heat_source(job.wildcards["shots"], settings, place, out)
    keys = outcome_in(pairs).members
    decides = params["heatmaps"], params["rectify"], params["code"]

    def work(name: str, mark: Path) -> None:
        file = pairs.parent / f"{name}.npz"
        write_rectified_heat(source, name, file, params["rectify"]["centers"], mark)

    do_items(
        job,
        sorted(keys),
        key=lambda name: key_of(keys[name], *decides, source.digests(name)),
        work=work,
        folder=lambda name: pairs.parent / ".heatmaps" / name,
        may_lack_all=True,
    )


if __name__ == "__main__":
    run(main)
