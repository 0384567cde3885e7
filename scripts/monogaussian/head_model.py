"""Write the stand-in head in FLAME 2020's format."""

from hgm.core.job import Job, run
from hgm.standin.head import write_head


def main(job: Job) -> None:
    write_head(job.path("model").parent)


if __name__ == "__main__":
    run(main)
