"""Make the stand-in humans of one chunk."""

from pathlib import Path

from hgm.core.items import do_items
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.standin import make_scan, write_scan


def main(job: Job) -> None:
    def work(name: str, _: Path) -> None:
        write_scan(job.run.standin, name, make_scan(int(name), job.params["texture"]))

    do_items(
        job,
        job.params["scans"],
        folder=job.run.standin_mark,
        key=lambda s: key_of(s, job.params["texture"], job.params["code"]),
        work=work,
    )


if __name__ == "__main__":
    run(main)
