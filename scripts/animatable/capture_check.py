"""Check that the body of a capture's parameters lies on the masks."""

from hgm.core.job import Job, run
from hgm.systems.animatable.captures.footage import footage_of
from hgm.systems.animatable.check import check_capture
from hgm.systems.animatable.settings import Capture
from hgm.systems.animatable.sources import body_model_of, capture_of


def main(job: Job) -> None:
    section = Capture(**job.params["capture"])
    capture = capture_of(section, job.run)
    check_capture(
        capture,
        body_model_of(section, job.run),
        footage_of(section, list(capture.cameras), job.wildcards["kind"]),
        job.path("check"),
        job.path("overlay"),
        job.run.log(job.name).with_suffix(".png"),
    )


if __name__ == "__main__":
    run(main)
