"""Turn both views of each pair of a part so that their rows correspond."""

from pathlib import Path
from typing import Any

from hgm.core.items import do_items, outcome_in
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import write_json
from hgm.systems.posegaussian.check import log_remarks
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.parts import folder_of
from hgm.systems.posegaussian.rectify import write_pair


def main(job: Job) -> None:
    manifest, views, params = job.path("manifest"), job.path("views"), job.params
    root = views.parent / folder_of(job.wildcards["part"])
    keys = outcome_in(views).members

    def work(name: str, mark: Path) -> dict[str, Any]:
        out, centers = manifest.parent / f"{name}.npz", params["rectify"]["centers"]
        return write_pair(PairFiles(root, name).photos, centers, out, mark)

    outcome = do_items(
        job,
        sorted(keys),
        key=lambda name: key_of(params["rectify"], params["code"], keys[name]),
        work=work,
        folder=lambda name: manifest.parent / ".pairs" / name,
        may_lack_all=True,
    )
    write_json(job.path("checks"), outcome.facts)
    if params["degrees"] is not None:  # of pairs that somebody else rendered
        log_remarks(outcome.facts, params["degrees"], given=True)


if __name__ == "__main__":
    run(main)
