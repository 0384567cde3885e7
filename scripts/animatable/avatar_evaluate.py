"""Measure an avatar on cameras and poses that it was not trained on."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.captures.footage import footage_of
from hgm.systems.animatable.captures.usable import set_aside_in
from hgm.systems.animatable.evaluation import Measuring, evaluate_avatar
from hgm.systems.animatable.settings import Capture
from hgm.systems.animatable.sources import body_model_of, capture_of
from hgm.systems.animatable.splits import SPLITS


def main(job: Job) -> None:
    params = job.params
    section, device = Capture(**params["capture"]), select_device(params["device"])
    capture = capture_of(section, job.run)
    for check in job.paths("checks"):
        capture = capture.without(set_aside_in(check))
    avatar = Avatar.load(job.paths("avatar")[0].parent, device).fold()
    model = body_model_of(section, job.run)
    measuring = Measuring.load(params["crease"], params["weights"], params["splat"], device)
    for path in job.outputs:
        name = path.parent.name
        split, cameras = SPLITS[name], list(capture.cameras)
        shots = footage_of(section, cameras, split.frames, held_out=split.held_out)
        evaluate_avatar(
            *(avatar, capture, model, shots.shots(params["every"]), path.parent, measuring),
            variant=job.wildcards["variant"],
            split=name,
            standin=params["standin"],
        )


if __name__ == "__main__":
    run(main)
