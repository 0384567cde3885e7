"""Check that the head model fits the pictures of a clip."""

from hgm.body.flame import HeadModel
from hgm.core.job import Job, run
from hgm.systems.monogaussian.check import check_tracking
from hgm.systems.monogaussian.setup import clips_of


def main(job: Job) -> None:
    parameters, *_ = job.paths("clip")  # its other files follow
    [clip] = clips_of([parameters])
    [model] = job.paths("model")
    check_tracking(
        clip,
        HeadModel.load(model),
        job.path("check"),
        job.path("overlay"),
        job.run.log(job.name).with_suffix(".png"),
    )


if __name__ == "__main__":
    run(main)
