"""Film a clip of the stand-in's head."""

from hgm.core.job import Job, run
from hgm.systems.monogaussian.settings import Standin, Video
from hgm.systems.monogaussian.standin_video import make_clip


def main(job: Job) -> None:
    params = job.params
    section = dict(params["standin"])
    frames = section.pop("frames")
    is_test = section["held_out_every"] > 0
    make_clip(
        job.path("parameters").parent,
        Video(size=params["size"], test=job.wildcards["clip"] if is_test else "none"),
        Standin(
            **{**section, "held_out_every": max(1, section["held_out_every"])},
            train_frames=frames,
            test_frames=frames,
        ),
        seed=params["seed"],
        frames=job.run.path / "video" / "frames" / job.wildcards["clip"],
        common=params["code"],
    )


if __name__ == "__main__":
    run(main)
