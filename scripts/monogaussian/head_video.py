"""Film a clip of the stand-in's head."""

from hgm.core.job import Job, run
from hgm.systems.monogaussian.settings import Staging
from hgm.systems.monogaussian.standin_video import make_clip


def main(job: Job) -> None:
    params = job.params
    section = dict(params["standin"])
    count = section.pop("frames")
    folder = job.path("parameters").parent
    make_clip(
        folder,
        Staging(**section),
        count=count,
        size=params["size"],
        seed=params["seed"],
        frames=folder / "frames",
        workers=job.threads,
        common=params["code"],
    )


if __name__ == "__main__":
    run(main)
