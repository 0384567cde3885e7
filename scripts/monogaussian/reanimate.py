"""Drive an avatar and film it."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.systems.monogaussian.animate import driving
from hgm.systems.monogaussian.animation import film_avatar
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.setup import clips_of


def main(job: Job) -> None:
    params = job.params
    films = params["animate"]
    files = job.paths("driver")
    motion = str(files[0]) if files else job.wildcards["driver"]
    training = clips_of(job.paths("clips"), pictures=False)
    driver, _ = driving(motion, training, films.get("frames", 0))
    film_avatar(
        HeadAvatar.load(job.path("weights").parent, select_device(params["device"])),
        driver,
        job.path("film").parent,
        size=films["size"],
        fps=films["fps"],
        backend=params["splat"],
    )


if __name__ == "__main__":
    run(main)
