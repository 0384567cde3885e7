"""Run PIXIE on the front views of one chunk, or on the photos of the configuration."""

from hgm.core.job import Job, run
from hgm.core.manifests import write_json
from hgm.systems.hgm.estimators import run_job


def main(job: Job) -> None:
    write_json(job.path("manifest"), run_job(job, "pixie").manifest(job.rule))


if __name__ == "__main__":
    run(main)
