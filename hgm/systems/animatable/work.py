"""The work of each job for the sizes in the configuration: operations and bytes of what runs on the
device, seconds of one CPU core for the rest, which were measured with one thread on an AMD EPYC."""

from __future__ import annotations

from hgm.systems.animatable.plan import RIG, Plan
from hgm.systems.animatable.requests import FLOAT
from hgm.systems.animatable.sizes import Sizes
from hgm.systems.animatable.variants import VARIANTS
from hgm.workflow.cards import Card, Range
from hgm.workflow.jobs import PlannedJob
from hgm.workflow.work import ADAM_PASSES, Work, splatting_bytes

# rules whose time, scaled from jobs of other sizes, is less certain
FARTHER = ("avatar_evaluate", "position_maps", "report")
OPERATIONS = 2  # of a multiplication and an addition
BACKWARD = 3  # forward and backward pass, in forward passes
# seconds of a core: of a job before it begins, of an actor and its texture, of a frame of a
# stand-in's capture, and of one view of it at 128² and 8 samples
START = 5.0
ACTOR = 6.0
MOVED = 0.6
SEEN_128 = 0.1
CHECKED = 0.5  # a view that is checked
VIEWS_CHECKED = 40  # at most
MAPPED_128 = 3.0  # the maps at 128²
DIFFUSED_128 = 60.0  # the weights in a volume of 128³
MEASURED_128 = 0.06  # a picture at 128²
DRAWN_128 = 0.02  # a frame of a film, written and encoded
SKINNED = 2e-6  # a Gaussian that is skinned, forward


def seconds_of(job: PlannedJob, plan: Plan, card: Card) -> Range:
    """Seconds that a job takes on a card."""
    return work_of(job, plan).seconds(card, plan.config["network"]["precision"])


def work_of(job: PlannedJob, plan: Plan) -> Work:
    """What a job does."""
    config = plan.config
    pixels = pixels_of(plan) / 128**2
    start = Work(host=START)
    match job.rule:
        case "capture":
            if job.name.endswith(RIG):
                return start
            made = config["standin"]
            views = made["cameras"] + made["held_out"]
            rays = pixels * max(0.5, made["samples"] / 8)
            return start + Work(host=ACTOR + job.work * (MOVED + views * SEEN_128 * rays))
        case "capture_check":
            return start + Work(host=CHECKED * pixels**0.5 * VIEWS_CHECKED)
        case "template":
            return start + Work(host=DIFFUSED_128 * (config["template"]["grid"] / 128) ** 3)
        case "position_maps":
            maps = MAPPED_128 * (config["maps"]["size"] / 128) ** 2
            posed = 0.02 * (len(plan.frames("train")) + len(plan.frames("test")))
            return start + Work(host=maps + posed)
        case "pretrain" | "avatar" | "animate" | "avatar_evaluate":
            return start + _each(job, plan) * job.work
    return start


def _each(job: PlannedJob, plan: Plan) -> Work:
    """One step of a training, one frame of a film, or one picture that is measured."""
    trains = job.rule in ("pretrain", "avatar")
    variant = job.name.split("/")[1]
    found = _networks(plan, backward=trains) if VARIANTS[variant].networks else Work()
    if job.rule == "pretrain":
        return found
    film = plan.config["animate"]["size"] ** 2
    pixels = film if job.rule == "animate" else pixels_of(plan)
    by_hand = {"avatar": 0.0, "animate": DRAWN_128, "avatar_evaluate": MEASURED_128}[job.rule]
    made = Work(host=by_hand * pixels / 128**2)
    return found + _splats(plan, pixels, backward=trains) + made


def pixels_of(plan: Plan) -> float:
    """Pixels of a picture of the capture; a user's count as those of the stand-in's section."""
    made = plan.config["standin"]
    return float(made["width"] * made["height"])


def _networks(plan: Plan, *, backward: bool = False) -> Work:
    """One pass of the three networks."""
    sizes = Sizes.of(plan.config)
    passes = BACKWARD if backward else 1
    moved = FLOAT * passes * sizes.activations()
    if backward:
        moved += FLOAT * ADAM_PASSES * sizes.parameters()
    return Work(networks=OPERATIONS * passes * sizes.macs(), memory=moved, calls=passes)


def _splats(plan: Plan, pixels: float, *, backward: bool = False) -> Work:
    """The Gaussians skinned and splatted into one picture."""
    points = round(Sizes.of(plan.config).points)
    edge = round(pixels**0.5)
    passes = BACKWARD if backward else 1
    return Work(
        host=passes * SKINNED * points,
        splats=splatting_bytes(1, points, 1, edge, backward=backward),
        calls=0.3 * passes,
    )
