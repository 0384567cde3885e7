"""Train the normal net on the rendered normals."""

from hgm.core.devices import select_device
from hgm.core.job import Job, run
from hgm.core.processes import Deadline
from hgm.scans.data_source import body_model
from hgm.scans.dataset import rendered
from hgm.systems.hgm.normals import train_normals
from hgm.systems.hgm.sections.normals import Normals


def main(job: Job) -> None:
    params = job.params
    out = job.path("weights").parent
    faces = body_model(params["scans"], job.run).faces
    train_normals(
        rendered(job.paths("views"), "train"),
        faces,
        Normals(**params["normals"]),
        out,
        job.state,
        seed=params["seed"],
        init=next(iter(job.paths("start")), None),
        device=select_device(params["device"]),
        backend=params["splat"],
        deadline=Deadline(job.seconds()),
    )


if __name__ == "__main__":
    run(main)
