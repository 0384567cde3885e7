"""Render the stereo pairs of a part's scans and the views between, or take over those of a user."""

import logging
from pathlib import Path

from hgm.core.job import Job, run
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.scans.catalogue import read_entries
from hgm.scans.data_source import DataSource
from hgm.systems.posegaussian.parts import chunk_of
from hgm.systems.posegaussian.settings import Pairs
from hgm.systems.posegaussian.stereo_views import render_pairs, take_pairs


def main(job: Job) -> None:
    out, part, scans = job.path("manifest").parent, job.wildcards["part"], job.params["names"]
    pairs, code = Pairs(**job.params["pairs"]), job.params["code"]
    if pairs.root is not None:
        result = take_pairs(Path(pairs.root), scans, part, out, size=pairs.size, code=code)
    else:
        entries = read_entries(job.path("scans"))
        usable = {entry.scan for entry in entries if entry.chunk == chunk_of(part)}
        scans = [scan for scan in scans if scan in usable]
        result = render_pairs(
            DataSource.of(job.params["scans"], job.run),
            scans,
            part,
            out,
            pairs,
            count=job.params["per_scan"],
            seed=job.params["seed"],
            workers=job.threads,
            code=code,
            progress=Progress(job.rule, len(scans)).update,
        )
    for name, reason in result.failed.items():
        logging.error("set aside %s: %s", name, reason)
    write_json(job.path("manifest"), result.manifest(job.rule))


if __name__ == "__main__":
    run(main)
