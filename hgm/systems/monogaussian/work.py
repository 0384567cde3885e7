"""The work of each job for the sizes in the configuration: operations and bytes of what runs on the
device, seconds of one CPU core for the rest, which were measured with one thread on an AMD EPYC."""

from __future__ import annotations

from hgm.systems.monogaussian.course import Course
from hgm.systems.monogaussian.plan import Plan
from hgm.systems.monogaussian.requests import FLOAT, MANY, bytes_of_point
from hgm.systems.monogaussian.settings import HELD_OUT_CAMERAS, Avatar
from hgm.systems.monogaussian.space import correction_parameters, point_parameters
from hgm.workflow.cards import Card, Range
from hgm.workflow.jobs import PlannedJob
from hgm.workflow.work import ADAM_PASSES, Work, splatting_bytes

# rules whose time, scaled from jobs of other sizes, is less certain
FARTHER = ("head_evaluate", "report")
OPERATIONS = 2  # of a parameter for a point, forward
BACKWARD = 3  # forward and backward pass, in forward passes
# seconds of a core: of a job before it begins, of a frame of a stand-in's video (Blender loads the
# person, and reads textures and faces anew for each frame), and of each pixel of 128²
START = 4.0
FILMED = 0.22
FILMED_128 = 0.05
CHECKED = 0.1  # a frame
MEASURED_128 = 0.06  # a frame at 128², with its pictures
DRAWN_128 = 0.01  # a frame of a film, encoded
WARM_STEP = 0.012  # of the warm start, at 64 channels


def seconds_of(job: PlannedJob, plan: Plan, card: Card) -> Range:
    """Seconds that a job takes on a card."""
    return work_of(job, plan).seconds(card, "fp32")


def work_of(job: PlannedJob, plan: Plan) -> Work:
    """What a job does."""
    config = plan.config
    size = config["video"]["size"]
    pixels = (size / 128) ** 2
    points = Course(Avatar(**config["avatar"]), MANY).epochs[-1].points
    start = Work(host=START)
    match job.rule:
        case "head_video":
            staging = plan.staging(job.name.rsplit("/", 1)[-1])
            every, lone = staging["held_out_every"], staging["lone"]
            views = 1 + (len(HELD_OUT_CAMERAS) / every if every else 0)
            made = Work(host=FILMED + views * FILMED_128 * pixels) * job.work
            return start + made + Work(host=FILMED + FILMED_128 * pixels) * (2 * lone + bool(lone))
        case "tracking_check":
            return start + Work(host=CHECKED) * min(job.work, 8)
        case "head_avatar":
            return start + _training(plan)
        case "head_evaluate":
            frame = _frame(plan, points, size) + Work(host=MEASURED_128 * pixels)
            if job.name.endswith("/imavatar"):
                steps = config["evaluate"]["refine_steps"]
                frame = frame + _frame(plan, points, size) * (BACKWARD * steps)
            return start + frame * job.work
        case "reanimate":
            size = config["animate"]["size"]
            drawn = Work(host=DRAWN_128 * (size / 128) ** 2)
            return start + (_frame(plan, points, size) + drawn) * job.work
    return start


def _training(plan: Plan) -> Work:
    """All steps of a training, and its warm start."""
    config = plan.config
    settings = Avatar(**config["avatar"])
    size = config["video"]["size"]
    width = settings.deformer_width / 64
    found = Work(host=WARM_STEP * width * settings.warm_steps)
    for epoch in Course(settings, max(1, plan.training_frames)).epochs:
        batch = epoch.batch
        numbers = point_parameters(config) + batch * correction_parameters(config)
        step = Work(
            single=OPERATIONS * BACKWARD * epoch.points * numbers,
            memory=BACKWARD * epoch.points * bytes_of_point(config, batch)
            + ADAM_PASSES * FLOAT * point_parameters(config),
            splats=splatting_bytes(batch, epoch.points, 1, size, backward=True),
            calls=1,
        )
        found = found + step * epoch.steps
    return found


def _frame(plan: Plan, points: int, size: int) -> Work:
    """A frame of a finished avatar; what no frame changes is computed before."""
    return Work(
        single=OPERATIONS * points * correction_parameters(plan.config),
        splats=splatting_bytes(1, points, 1, size),
        calls=0.3,
    )
