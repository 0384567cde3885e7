"""Record what is run: configuration, commit, versions, machine."""

from hgm.core.job import Job, run
from hgm.core.manifests import run_record, write_json


def main(job: Job) -> None:
    write_json(job.path("run"), run_record(job.params["config"]))


if __name__ == "__main__":
    run(main)
