"""Drive an avatar and film it."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.systems.animatable.animate import Performer, perform
from hgm.systems.animatable.settings import Animate, Capture


def main(job: Job) -> None:
    params = job.params
    performer = Performer.load(
        job.path("space").parent,
        Capture(**params["capture"]),
        job.run,
        select_device(params["device"]),
    )
    files = job.paths("motion")
    perform(
        performer,
        str(files[0]) if files else job.wildcards["motion"],
        Animate(**params["animate"]),
        job.path("film").parent,
        seed=params["seed"],
        backend=params["splat"],
    )


if __name__ == "__main__":
    run(main)
