"""Turn both views of each pair of a part so that their rows correspond."""

from functools import partial
from pathlib import Path
from typing import Any

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import write_json
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.parts import folder_of
from hgm.systems.posegaussian.rectify import write_pair


def main(job: Job) -> None:
    manifest, views, heat = job.path("manifest"), job.path("views"), job.paths("heatmaps")
    root = views.parent / folder_of(job.wildcards["part"])
    encoding = job.params["encoding"] if heat else None
    centers = job.params["rectify"]["centers"]
    keys = outcome_in(heat[0] if heat else views).members

    def work(name: str, mark: Path) -> dict[str, Any]:
        read = partial(PairFiles(root, name).photos, encoding)
        return write_pair(read, centers, manifest.parent / f"{name}.npz", mark)

    outcome = do_items(
        job,
        sorted(keys),
        key=lambda name: key_of(dict(job.params), keys[name], outcome_in(views).members[name]),
        work=work,
        folder=lambda name: manifest.parent / ".pairs" / name,
    )
    write_json(manifest.with_name("checks.json"), outcome.facts)


if __name__ == "__main__":
    run(main)
