"""Train the back view's ControlNet."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.keys import folder_digest
from hgm.core.manifests import write_json
from hgm.core.processes import Deadline
from hgm.systems.hgm.back_view.controlnet import train_controlnet
from hgm.systems.hgm.back_view.settings import ControlNet
from hgm.train.loop import write_history


def main(job: Job) -> None:
    manifest = job.path("manifest")
    out = manifest.parent
    history = train_controlnet(
        job.path("pairs").parent,
        job.path("base").parent,
        out,
        settings=ControlNet(**job.params["controlnet"]),
        state=job.state,
        seed=job.params["seed"],
        init=next((start.parent for start in job.paths("start")), None),
        deadline=Deadline(job.seconds()),
        device=select_device(job.params["device"]),
    )
    write_history(job.path("history"), history)
    write_json(manifest, {"stage": job.rule, "key": folder_digest(out, skip=[manifest.name])})


if __name__ == "__main__":
    run(main)
