"""Make the stand-in humans of one chunk."""

from pathlib import Path

from hgm.core.items import for_each
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import write_json
from hgm.standin import make_scan, write_scan


def main(job: Job) -> None:
    manifest = job.path("manifest")

    def work(name: str, _: Path) -> None:
        write_scan(manifest.parent, name, make_scan(int(name), job.params["texture"]))

    outcome = for_each(
        job.params["scans"],
        job.rule,
        folder=lambda s: manifest.parent / "made" / s,
        key=lambda s: key_of(s, job.params["texture"], job.params["code"]),
        work=work,
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
