"""The work of each job for the sizes in the configuration: operations and bytes of what runs on the
device, seconds of one CPU core for the rest, which were measured with one thread on an AMD EPYC."""

from __future__ import annotations

from hgm.systems.posegaussian.requests import FORWARD, KEPT, MAPS_KEPT
from hgm.workflow.cards import Card, Range
from hgm.workflow.jobs import PlannedJob
from hgm.workflow.plan import Plan
from hgm.workflow.work import ADAM_PASSES, Work, splatting_bytes

# rules whose time, scaled from jobs of other sizes, is less certain
FARTHER = ("stereo_views", "stereo_evaluate", "report")
# preset -> FLOP of a forward pass for each pixel of a source view: of the matching, and of the maps
# of Gaussians on top; counted, and a test compares
MATCHING_FLOP = {"small": 105_431.0, "paper": 424_958.0}
MAPS_FLOP = {"small": 115_632.0, "paper": 456_096.0}
PARAMETERS = {"small": 1_295_088, "paper": 5_183_512}  # variant `learned`
BACKWARD = 3  # forward and backward pass, in forward passes
TRAFFIC = 6  # bytes that layers read and write, in multiples of the bytes kept; assumed
FLOAT = 4  # bytes
COVERED = 0.14  # share of the pixels of a photo that show the person
BOX = 0.3  # share of a picture's pixels in the person's box
LPIPS_FLOP = 611_712  # of the trunk for each pixel of a picture; counted, and a test compares
# seconds of a core: of a job before it begins, of a scan that is loaded, of a view and of each of
# its pixels of 192²; of a pair that is rectified, shown and measured, by the same pixels
START = 4.0
LOADED = 2.0
VIEWED = 0.14
VIEWED_192 = 0.023
DRAWN_192 = 0.02
RECTIFIED_192 = 0.04
SHOWN_192 = 0.05  # a picture at twice the size, encoded
MEASURED_192 = 0.1  # by each way to make the views
VIEWS = 5
LARGE = 3  # of them at twice the size as well


def seconds_of(job: PlannedJob, plan: Plan, card: Card) -> Range:
    """Seconds that a job takes on a card."""
    return work_of(job, plan).seconds(card, plan.config["network"]["precision"])


def work_of(job: PlannedJob, plan: Plan) -> Work:
    """What a job does."""
    config = plan.config
    start = Work(host=START)
    pixels = (config["pairs"]["size"] / 192) ** 2
    match job.rule:
        case "stereo_views":
            view = VIEWS * (VIEWED + VIEWED_192 * pixels) + LARGE * 4 * VIEWED_192 * pixels
            return start + Work(host=LOADED) * len(job.members) + Work(host=view) * job.work
        case "heatmaps":
            return start + Work(host=DRAWN_192 * pixels) * job.work
        case "rectify" | "rig":
            return start + Work(host=RECTIFIED_192 * pixels) * job.work
        case "depth" | "gaussian_maps":
            return start + _step(plan, maps=job.rule != "depth") * job.work
        case "novel_views":
            return start + _shown(plan) * job.work
        case "stereo_evaluate":
            main = config["evaluate"]["variants"][0]
            return start + _measured(plan, main=f"/{main}/" in job.name) * job.work
    return start


def _step(plan: Plan, *, maps: bool) -> Work:
    """A step of a training on one pair."""
    config = plan.config
    preset, size = config["network"]["preset"], config["pairs"]["size"]
    operations = MATCHING_FLOP[preset] + (MAPS_FLOP[preset] if maps else 0.0)
    kept = 2 * size**2 * KEPT[preset] * (MAPS_KEPT if maps else 1.0)
    found = Work(
        networks=BACKWARD * operations * size**2,
        memory=BACKWARD * TRAFFIC * kept + ADAM_PASSES * FLOAT * PARAMETERS[preset],
        calls=BACKWARD,
    )
    if maps:
        gaussians = round(2 * COVERED * size**2)
        found = found + Work(
            splats=splatting_bytes(1, gaussians, 1, 2 * size, backward=True), calls=2
        )
    return found


def _shown(plan: Plan) -> Work:
    """The Gaussians of a pair, with its pictures and its film."""
    config = plan.config
    preset, size = config["network"]["preset"], config["pairs"]["size"]
    count = config["between"]["frames"] + LARGE
    network = Work(
        networks=(MATCHING_FLOP[preset] + MAPS_FLOP[preset]) * size**2,
        memory=TRAFFIC * FORWARD * MAPS_KEPT * 2 * size**2 * KEPT[preset],
        calls=2,
    )
    picture = Work(
        host=SHOWN_192 * (size / 192) ** 2,
        splats=splatting_bytes(1, round(2 * COVERED * size**2), 1, 2 * size),
        calls=1,
    )
    return network + picture * count


def _measured(plan: Plan, *, main: bool) -> Work:
    """The pictures of a pair, by the variant and by its points; with the main variant also the
    nearer photo and the true depth."""
    config = plan.config
    size, ways = 2 * config["pairs"]["size"], 4 if main else 2
    found = Work(host=MEASURED_192 * (size / 2 / 192) ** 2)
    if config["weights"]["lpips"] is not None:
        both = (
            2 * LARGE * (1 + BOX) * size**2
        )  # pixels of pictures and truths, whole and in the box
        found = found + Work(single=both * LPIPS_FLOP, calls=4 * LARGE)
    return found * ways
