"""Draw the pictures of a part's joints, or take over those that a user brings."""

from pathlib import Path

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.systems.posegaussian.heat_files import heat_sources, write_heat_maps
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.parts import folder_of
from hgm.systems.posegaussian.settings import HeatMaps


def main(job: Job) -> None:
    settings = HeatMaps(**job.params["heatmaps"])
    root = job.path("manifest").parent / folder_of(job.wildcards["part"])
    keys = outcome_in(job.path("views")).members

    def work(name: str, mark: Path) -> None:
        write_heat_maps(PairFiles(root, name), settings, mark)

    do_items(
        job,
        sorted(keys),
        key=lambda name: key_of(
            keys[name],
            settings.model_dump(),
            job.params["code"],
            heat_sources(PairFiles(root, name), settings),
        ),
        work=work,
        folder=lambda name: root / ".heatmaps" / name,
    )


if __name__ == "__main__":
    run(main)
