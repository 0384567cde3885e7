"""Make the stand-in humans of one chunk."""

from hgm.job import Job, run
from hgm.provenance import write_json
from hgm.standin import make_chunk


def main(job: Job) -> None:
    manifest = job.path("manifest")
    members = make_chunk(manifest.parent, job.params["scans"], texture=job.params["texture"], code=job.params["code"])
    write_json(manifest, {"stage": job.rule, "members": members})


if __name__ == "__main__":
    run(main)
