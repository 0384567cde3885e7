"""Write the stand-in body model; the manifest names its files and their hashes."""

from hgm.core.job import Job, run
from hgm.core.keys import file_digest
from hgm.core.manifests import write_json
from hgm.standin.body.core import write_models


def main(job: Job) -> None:
    manifest = job.path("manifest")
    files = write_models(manifest.parent / "models")
    write_json(manifest, {"stage": job.rule, "members": {p.name: file_digest(p) for p in files}})


if __name__ == "__main__":
    run(main)
