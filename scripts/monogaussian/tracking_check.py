"""Check that the head model fits the pictures of the clips."""

from hgm.body.flame import HeadModel
from hgm.core.job import Job, run
from hgm.systems.monogaussian.check import check_tracking
from hgm.systems.monogaussian.clip import PARAMETERS
from hgm.systems.monogaussian.setup import clips_of


def main(job: Job) -> None:
    files = [path for path in job.paths("clips") if path.name == PARAMETERS]
    [model] = job.paths("model")
    check_tracking(clips_of(files), HeadModel.load(model), job.path("check").parent)


if __name__ == "__main__":
    run(main)
