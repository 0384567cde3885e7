"""Render the scans of one chunk to view folders."""

import logging

from hgm.catalogue import read_entries
from hgm.errors import InputError
from hgm.job import Job, run
from hgm.provenance import write_json
from hgm.render.chunk import render_chunk
from hgm.scans.thuman import locate
from hgm.stages.places import models_folder, scan_root


def main(job: Job) -> None:
    scans, rendering, chunk = job.params["scans"], job.params["rendering"], job.wildcards["chunk"]
    manifest = job.path("manifest")
    results = manifest.parents[2]
    root = scan_root(scans, results)
    names = [e.scan for e in read_entries(job.path("scans")) if e.chunk == chunk]
    result = render_chunk(
        [locate(root, name) for name in names], manifest.parent, models=models_folder(scans, results), gender=scans["gender"],
        size=rendering["size"], samples=rendering["samples"], device=rendering["device"], workers=job.threads,
        code=job.params["code"], progress=lambda count, name: logging.info("%s %d/%d %s", chunk, count, len(names), name),
    )
    for name, reason in result.rejected.items():
        logging.error("set aside %s: %s", name, reason)
    if names and not result.rendered:
        raise InputError(f"{chunk}: none of {len(names)} scans could be rendered; see {job.log}")
    write_json(manifest, {"stage": job.rule, "members": result.rendered, "failed": result.rejected})


if __name__ == "__main__":
    run(main)
