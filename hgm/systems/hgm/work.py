"""The work of each job for the sizes in the configuration: operations and bytes of what runs on the
device, seconds of one CPU core for the rest.

Numbers of networks are those of the presets; widths changed by `network.overrides` are not
considered. Seconds of a core are CPU time measured with one thread on an AMD EPYC; numbers that
could not be measured have a comment that says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hgm.rig import VIEWS
from hgm.scans.data_views import GIVEN, view_count
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.requests import LPIPS_IMAGE, MB, NETWORKS, STABLE_SAMPLE, views_of
from hgm.systems.hgm.variants import VARIANTS
from hgm.workflow.cards import Card, Range
from hgm.workflow.jobs import PlannedJob
from hgm.workflow.work import ADAM_PASSES, Work, splatting_bytes

# preset -> GFLOP of a forward pass at its size, with one view and with two;
# hgm.systems.hgm.bench.footprint counts them, and a test compares
FORWARD = {
    "tiny": (0.334, 0.599),
    "small": (4.45, 6.96),
    "medium": (190.3, 329.0),
    "paper": (4392.0, 11147.0),
}
# preset -> number of Gaussians at its size, with one view and with two
GAUSSIANS = {
    "tiny": (1024, 1024),
    "small": (4096, 4096),
    "medium": (16384, 16384),
    "paper": (65536, 131072),
}
LPIPS_FLOPS = 40.1e9  # of VGG's features of a picture of 256 px
# FLOPs of a forward pass at 512 px
STABLE_UNET = 803e9
STABLE_CONTROL = 283e9
STABLE_ENCODER = 1117e9
STABLE_DECODER = 2515e9
VERTICES = 10475
FACES = 20908  # of SMPL-X
BACKWARD = 3  # forward and backward pass, in forward passes
# bytes that layers read and write, in multiples of the bytes kept for the backward pass; assumed
FORWARD_TRAFFIC = 6
TRAINING_TRAFFIC = 18
HALF = 0.55  # bytes with bf16 over bytes with float32; norms and losses stay float32
FROZEN = 2.6  # forward and backward of a frozen U-Net that passes gradients on, in forward passes


# rules whose time, scaled from jobs of other sizes, is less certain: those that were not measured
# at two sizes, and `refine`, whose jobs differed by more than others
FARTHER = (
    "refine",
    "evaluate",
    "baseline",
    "photos",
    "report",
    "estimate_pixie",
    "estimate_pymafx",
)


@dataclass(frozen=True)
class Sizes:
    """The sizes in a configuration that decide the work of its jobs."""

    plan: Plan

    @property
    def config(self) -> Mapping[str, Any]:
        return self.plan.config

    @property
    def size(self) -> int:
        return int(self.config["rendering"]["size"])

    @property
    def preset(self) -> str:
        return str(self.config["network"]["preset"])

    @property
    def parameters(self) -> float:
        return NETWORKS[self.preset][1] * 1e6

    @property
    def scale(self) -> float:
        """Number of pixels of a picture, over that of the pictures that the preset is made for."""
        return float(self.size / NETWORKS[self.preset][0]) ** 2

    @property
    def compared(self) -> bool:
        """Whether the weights of LPIPS are given."""
        return None not in (self.config["weights"]["vgg16"], self.config["weights"]["lpips"])

    @property
    def stable(self) -> bool:
        return self.config["base"]["folder"] is not None

    def gaussians(self, views: int) -> int:
        return round(GAUSSIANS[self.preset][views - 1] * self.scale)

    def data(self, job: PlannedJob) -> dict[str, Any]:
        """The data set of the chunk that a job works on."""
        return self.plan.sources_of(job.name.split("/")[-1])

    def views(self, job: PlannedJob) -> int:
        """Number of views of a person of that data set."""
        return view_count(self.data(job))

    def scans(self, split: str) -> int:
        return sum(entry.split == split for entry in self.plan.entries)

    def pixels(self, count: float, size: int | None = None) -> float:
        """Number of pixels of `count` pictures, in pictures of 128 px."""
        return count * ((size or self.size) / 128) ** 2

    def network(self, views: int, *, training: bool = False) -> Work:
        """One forward pass of an HGM, or with `training` forward and backward, on one sample."""
        kept = (
            NETWORKS[self.preset][1 + views]
            * MB
            * (HALF if self.config["network"]["precision"] == "bf16" else 1)
        )
        passes = BACKWARD if training else 1
        return Work(
            networks=passes * FORWARD[self.preset][views - 1] * 1e9,
            memory=(TRAINING_TRAFFIC if training else FORWARD_TRAFFIC) * kept,
        ) * self.scale + Work(calls=passes)

    def splatting(
        self, count: int, views: float, size: int, *, sets: int = 1, backward: bool = False
    ) -> Work:
        return Work(
            splats=splatting_bytes(sets, count, 1, size, backward=backward) * views,
            calls=1 + backward,
        )

    def normals(self, *, training: bool = False) -> Work:
        """The normal net on one picture: the run's own, or ICON's, for which one with 64, 128 and
        256 channels is assumed."""
        channels = self.config["normals"]["channels"] if self.plan.own_normals else (64, 128, 256)
        passes = BACKWARD if training else 1
        traffic = 8 * passes * sum(channels) * self.size**2 * 4
        return Work(
            single=passes * unet_flops(channels, 1, self.size), memory=traffic, calls=passes
        )

    def bodies(self, views: int, size: int, *, backward: bool = False, cell: float = 0.012) -> Work:
        """Renders of a body as discs."""
        discs = FACES if cell == 0 else min(FACES, round(0.75 / cell**2))
        return self.splatting(discs, views, size, backward=backward)


def unet_flops(channels: Sequence[int], layers: int, size: float) -> float:
    """FLOPs of a forward pass of a U-Net of residual blocks on a picture of `size` pixels: the 3 x
    3 convolutions of its blocks, with wider inputs on the way up for the skips, and two blocks in
    the middle; without attention."""
    found = sum(
        size**2 / 4**i * 18 * c**2 * (2 * layers + 3 * (layers + 1)) for i, c in enumerate(channels)
    )
    return found + size**2 / 4 ** (len(channels) - 1) * 18 * channels[-1] ** 2 * 4


def work_of(job: PlannedJob, plan: Plan) -> Work:
    """The work of a job, its start included; only the start where RULES has no function for the
    rule."""
    start, each = RULES.get(job.rule, (START, _nothing))
    return Work(host=start) + each(Sizes(plan), job)


def seconds_of(job: PlannedJob, plan: Plan, card: Card) -> Range:
    """Seconds that a job takes on a card."""
    return work_of(job, plan).seconds(card, str(plan.config["network"]["precision"]))


def _nothing(s: Sizes, job: PlannedJob) -> Work:
    return Work()


def _standin(s: Sizes, job: PlannedJob) -> Work:
    return Work(host=5.0 + 1.5 * (s.config["scans"]["texture"] / 1024) ** 2) * job.work


def _catalogue(s: Sizes, job: PlannedJob) -> Work:
    return Work(host=0.6 if s.plan.standin else 3.0) * job.work  # 3.0: not measured


def _render(s: Sizes, job: PlannedJob) -> Work:
    """Blender reads a scan, checks it and renders its views. The times of reading a real scan,
    which has many more triangles, and of copying the views of a data set are not measured."""
    if s.data(job)["source"] in GIVEN:
        return Work(host=0.2 + 0.03 * s.pixels(s.views(job))) * job.work
    samples = s.config["rendering"]["samples"]
    view = 0.05 + 0.31 * samples / 16 * (s.size / 512) ** 2
    return Work(host=(1.0 if s.plan.standin else 12.0) + s.views(job) * view) * job.work


def training_sample(s: Sizes, rule: str, sets: int = 3) -> Work:
    """One sample of an HGM training: passes of the networks, renders of its sets of Gaussians in
    each supervised view, the loss."""
    section = s.config[rule]
    views = 2 if rule == "fusion" else 1
    shown = min(section["supervised"], views_of(s.config, "train"))
    found = s.network(views, training=True) + s.splatting(
        s.gaussians(views), shown, s.size, sets=sets, backward=True
    )
    # once for the targets; for each set of renders forward, forward again, and backward to the
    # pixels
    if s.compared:
        passes = shown * (1 + 3 * sets)
        return found + Work(
            single=passes * LPIPS_FLOPS, memory=passes * 2 * LPIPS_IMAGE * MB, calls=4
        )
    return found + Work(memory=60 * shown * sets * 3 * 4 * s.size**2)


def _hgm(s: Sizes, job: PlannedJob) -> Work:
    section = s.config[job.rule]
    views = 2 if job.rule == "fusion" else 1
    sample = training_sample(s, job.rule, 2 if job.name.endswith("_no_body") else 3)
    # a micro-batch takes as many calls as a sample
    sample = replace(sample, calls=sample.calls / section["batch"])
    step = Work(
        memory=ADAM_PASSES * 4 * s.parameters, link=2 * 4 * s.parameters if job.gpus > 1 else 0
    )
    watched = (
        section["steps"] // section["validate_every"] * s.scans("val")
        if section["validate_every"]
        else 0
    )
    seen = (
        s.network(views)
        + s.splatting(s.gaussians(views), 4, s.size)
        + Work(host=0.005 * s.pixels(8))
    )
    read = Work(host=0.01 * s.pixels(views_of(s.config, "train"))) * s.scans("train")
    return sample * (job.work / max(job.gpus, 1)) + step * section["steps"] + seen * watched + read


def _pairs(s: Sizes, job: PlannedJob) -> Work:
    return (
        s.network(1) + s.splatting(s.gaussians(1), 1, s.size) + Work(host=0.1 + 0.005 * s.pixels(4))
    ) * job.work


def _diffusion(s: Sizes, size: float, *, training: bool = False) -> Work:
    """One pass of the base with its ControlNet over a picture of `size` pixels; training: with the
    ControlNet's gradients."""
    passes = (FROZEN, BACKWARD) if training else (1, 1)
    if s.stable:
        scale = (size / 512) ** 2
        flops = passes[0] * STABLE_UNET + passes[1] * STABLE_CONTROL
        kept = STABLE_SAMPLE * MB * HALF
        traffic = TRAINING_TRAFFIC if training else FORWARD_TRAFFIC
        return Work(networks=scale * flops, memory=scale * traffic * kept, calls=sum(passes))
    base = s.config["base"]
    pixels = size / 2 ** (len(base["vae_channels"]) - 1)
    flops = unet_flops(base["unet_channels"], base["unet_layers"], pixels)
    return Work(single=(passes[0] + 0.4 * passes[1]) * flops, calls=0.2 * sum(passes))


def _base(s: Sizes, job: PlannedJob) -> Work:
    base = s.config["base"]
    if s.stable:
        return _nothing(s, job)
    vae = Work(
        single=BACKWARD * unet_flops(base["vae_channels"], base["vae_layers"], base["vae_crop"])
    )
    if s.compared:
        vae += Work(single=7 * LPIPS_FLOPS * (base["vae_crop"] / 256) ** 2)
    crop = base["unet_crop"] / 2 ** (len(base["vae_channels"]) - 1)
    unet = Work(single=BACKWARD * unet_flops(base["unet_channels"], base["unet_layers"], crop))
    read = Work(host=0.01 * s.pixels(views_of(s.config, "train"))) * s.scans("train")
    vae_step = vae * base["vae_batch"] + Work(calls=1)
    unet_step = unet * base["unet_batch"] + Work(calls=1)
    return vae_step * base["vae_steps"] + unet_step * base["unet_steps"] + read


def _controlnet(s: Sizes, job: PlannedJob) -> Work:
    section = s.config["controlnet"]
    sample = _diffusion(s, section["crop"] or s.size, training=True)
    sample = replace(sample, calls=sample.calls / section["batch"])
    pairs = s.scans("train")
    encoded = Work(host=0.05 + 0.003 * s.pixels(2)) * pairs
    if s.stable:
        encoded += (
            Work(single=STABLE_ENCODER * (s.size / 512) ** 2, host=20 / max(pairs, 1)) * pairs
        )
        step = Work(memory=ADAM_PASSES * 4 * 361e6)
    else:
        step = Work(calls=1)
    return sample * job.work + step * section["steps"] + encoded


def _normals(s: Sizes, job: PlannedJob) -> Work:
    section = s.config["normals"]
    sample = s.normals(training=True) + s.bodies(1, s.size) + Work(host=0.004 * s.pixels(1))
    seen = min(job.work, s.scans("train"))  # of each the thickness of the body is found once
    return replace(sample, calls=sample.calls / section["batch"]) * job.work + Work(host=1.5) * seen


def _estimator(s: Sizes, job: PlannedJob) -> Work:
    return Work(host=5.0) * job.work  # not measured


def _estimate(s: Sizes, job: PlannedJob) -> Work:
    return Work(host=0.4) * job.work


def refine_step(s: Sizes) -> Work:
    """The renders, with gradients, of one step of the refinement of a body."""
    section = s.config["refine"]
    step = s.bodies(VIEWS, 2 * section["sizes"][-1], backward=True, cell=section["cell"]) + Work(
        calls=1
    )
    return (
        step + s.normals() + s.bodies(4, s.size, backward=True) if section["normal"] > 0 else step
    )


def _refine(s: Sizes, job: PlannedJob) -> Work:
    section = s.config["refine"]
    rounds = s.network(1) + s.splatting(s.gaussians(1), VIEWS, section["sizes"][-1])
    person = (
        rounds * math.ceil(section["iterations"] / section["every"])
        + refine_step(s) * section["iterations"]
        + Work(host=1.0)
    )
    return person * job.work


def _reconstruct(s: Sizes, job: PlannedJob) -> Work:
    return _person(s, job.name.split("/")[1], s.views(job)) * job.work


def picture_to_gaussians(s: Sizes, name: str) -> Work:
    """One picture by a variant: coarse, back view, fusion."""
    variant = VARIANTS[name]
    back = s.config["back_view"]
    found = s.network(1) + s.splatting(s.gaussians(1), 1, s.size)
    if variant.diffusion:
        steps = round(back["steps"] * back["strength"])
        found += _diffusion(s, s.size) * (steps * (2 if back["guidance"] > 1 else 1))
        if s.stable:
            found += Work(networks=(STABLE_ENCODER + STABLE_DECODER) * (s.size / 512) ** 2)
        else:
            base = s.config["base"]
            found += Work(
                single=unet_flops(base["vae_channels"], base["vae_layers"], s.size), calls=2
            )
    return found + s.network(2) if variant.two_view else found


def _person(s: Sizes, name: str, views: int = VIEWS) -> Work:
    """The same, with the renders of the views and the turntable."""
    made = s.config["reconstruct"]
    count = s.gaussians(2 if VARIANTS[name].two_view else 1)
    film = made["turntable_size"]
    frames = made["turntable_frames"]
    drawn = s.splatting(count, views, made["size"]) + s.splatting(count, frames, film)
    written = Work(
        host=0.3 + 0.004 * s.pixels(views, made["size"]) + 0.002 * s.pixels(frames, film)
    )
    return picture_to_gaussians(s, name) + drawn + written


def surface(s: Sizes) -> Work:
    """Gaussians to a mesh: depths are fused to a volume, and the mesh is refined by normals on the
    CPU."""
    section = s.config["mesh"]
    views = s.splatting(s.gaussians(2), section["cameras"], section["size"])
    fused = 0.8 + 1e-7 * section["cameras"] * section["size"] ** 2 + 2.5e-7 / section["voxel"] ** 3
    refined = section["refine_steps"] * (0.004 + 1e-6 / section["voxel"] ** 2)
    read = s.normals() * 2 + s.bodies(2, s.size) if section["refine_steps"] else Work()
    return views + read + Work(host=fused + refined)


def _mesh(s: Sizes, job: PlannedJob) -> Work:
    return (surface(s) + Work(host=1.0)) * job.work


def _evaluate(s: Sizes, job: PlannedJob) -> Work:
    """Runs on the CPU on every machine."""
    name = job.name.split("/")[1]
    views = s.views(job)
    measured = 4 if views % 4 == 0 else views - 1  # hgm.images.viewpoints
    # the measured views, the render from behind and the back view; for the main variant also those
    # of the three simple baselines
    pictures = (measured + 2) * (4 if name == s.plan.main_variant else 1)
    host = (
        0.5
        + 0.01 * s.pixels(views)
        + 0.03 * s.pixels(pictures)
        + 1.5e-5 * s.config["evaluate"]["surface_samples"]
    )
    if s.compared:  # two definitions, for prediction and truth
        host += pictures * 4 * LPIPS_FLOPS * (s.size / 256) ** 2 / 40e9
    return Work(host=host) * job.work


def _photos(s: Sizes, job: PlannedJob) -> Work:
    return (_person(s, s.plan.photo_variant) + surface(s) + Work(host=2.0)) * job.work


def _report(s: Sizes, job: PlannedJob) -> Work:
    return Work(host=0.07) * job.work


START = 4.0  # seconds of a core, for a rule that is not in RULES
# rule -> seconds of one core from the start of a job to its first work, most of them for imports,
# and the function for its work
RULES: dict[str, tuple[float, Callable[[Sizes, PlannedJob], Work]]] = {
    "record": (0.5, _nothing),
    "body_model": (4.0, _nothing),
    "standin": (4.0, _standin),
    "catalogue": (3.0, _catalogue),
    "render": (3.0, _render),
    "coarse": (6.0, _hgm),
    "fusion": (6.0, _hgm),
    "pairs": (3.5, _pairs),
    "base": (5.0, _base),
    "controlnet": (5.0, _controlnet),
    "normals": (4.0, _normals),
    "estimate_pixie": (30.0, _estimator),
    "estimate_pymafx": (30.0, _estimator),
    "estimate": (3.0, _estimate),
    "refine": (4.0, _refine),
    "reconstruct": (5.0, _reconstruct),
    "mesh": (6.5, _mesh),
    "evaluate": (6.0, _evaluate),
    "baseline": (6.0, _evaluate),
    "photos": (8.0, _photos),
    "report": (3.5, _report),
}
