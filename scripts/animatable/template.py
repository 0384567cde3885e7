"""Carry the body's weights to a mesh that a user brings."""

from pathlib import Path

import torch

from hgm.core.job import Job, run
from hgm.systems.animatable.settings import Capture, Template
from hgm.systems.animatable.sources import body_model_of, capture_of
from hgm.systems.animatable.star import star_body
from hgm.systems.animatable.template import diffused_weights, read_template, write_template


def main(job: Job) -> None:
    section, template = Capture(**job.params["capture"]), Template(**job.params["template"])
    model = body_model_of(section, job.run)
    motion = capture_of(section, job.run).motion
    star = star_body(model, torch.from_numpy(motion.betas[0]))
    vertices, faces = read_template(Path(str(template.file)), star, model)
    weights = diffused_weights(vertices, star, model, template.grid)
    write_template(job.path("template"), job.path("weights"), vertices, faces, weights)


if __name__ == "__main__":
    run(main)
