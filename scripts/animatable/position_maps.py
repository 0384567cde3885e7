"""Lay the surface of a person out on the two canonical maps, and pose it as in each frame."""

from hgm.core.job import Job, run
from hgm.systems.animatable.map_files import make_maps
from hgm.systems.animatable.settings import Capture, Maps
from hgm.systems.animatable.sources import body_model_of, capture_of


def main(job: Job) -> None:
    section = Capture(**job.params["capture"])
    make_maps(
        capture_of(section, job.run, job.path("check")),
        body_model_of(section, job.run),
        section,
        Maps(**job.params["maps"]).size,
        job.path("canonical").parent,
        template=job.paths("template"),
    )


if __name__ == "__main__":
    run(main)
