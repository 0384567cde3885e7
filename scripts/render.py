"""Write the view folders of one chunk of scans."""

import logging

from hgm.core.job import Job, run
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.render.views import write_chunk
from hgm.scans.catalogue import read_entries
from hgm.scans.data_source import DataSource


def main(job: Job) -> None:
    chunk = job.wildcards["chunk"]
    manifest = job.path("manifest")
    names = [e.scan for e in read_entries(job.path("scans")) if e.chunk == chunk]
    progress = Progress(job.rule, len(names))

    def through(count: int, name: str) -> None:
        logging.info("%s %d/%d %s", chunk, count, len(names), name)
        progress.update(count, name)

    result = write_chunk(
        DataSource.of(job.params["scans"], job.run),
        names,
        manifest.parent,
        job.params["rendering"],
        workers=job.threads,
        code=job.params["code"],
        progress=through,
    )
    for name, reason in result.failed.items():
        logging.error("set aside %s: %s", name, reason)
    if names and not result.members:
        raise InputError(f"{chunk}: none of {len(names)} scans could be rendered; see {job.log}")
    write_json(manifest, result.manifest(job.rule))


if __name__ == "__main__":
    run(main)
