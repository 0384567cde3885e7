"""Every job that a configuration asks for, as the rules make them: what is done, what runs and what
it will cost.

The rules stay the truth; a test compares this list with Snakemake's own plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.variants import VARIANTS
from hgm.workflow.jobs import PlannedJob

SIZES = {  # what a job's time for each member depends on, besides the machine
    "standin": ("scans.texture",),
    "catalogue": ("scans.source",),
    "render": ("rendering", "scans.source", "scans.test_source"),
    "coarse": ("device", "rendering.size", "network", "coarse.supervised", "coarse.gpus"),
    "fusion": ("device", "rendering.size", "network", "fusion.supervised", "fusion.gpus"),
    "base": (
        "device",
        "rendering.size",
        "base.folder",
        "base.vae_channels",
        "base.vae_crop",
        "base.unet_channels",
        "base.unet_crop",
    ),
    "normals": ("device", "rendering.size", "normals.channels"),
    "pairs": ("device", "rendering.size", "network"),
    "controlnet": (
        "device",
        "rendering.size",
        "base.folder",
        "base.unet_channels",
        "controlnet.crop",
    ),
    "estimate_pixie": ("device",),
    "estimate_pymafx": ("device",),
    "refine": (
        "device",
        "rendering.size",
        "network",
        "refine.iterations",
        "refine.normal",
        "normals.icon",
    ),
    "reconstruct": (
        "device",
        "rendering.size",
        "network",
        "reconstruct",
        "base.folder",
        "back_view.steps",
    ),
    "mesh": ("device", "rendering.size", "mesh", "normals.icon"),
    "evaluate": ("rendering.size", "evaluate.surface_samples", "weights"),
    "baseline": ("rendering.size", "evaluate.surface_samples", "weights"),
    "photos": (
        "device",
        "rendering.size",
        "network",
        "refine.normal",
        "reconstruct",
        "base.folder",
        "back_view.steps",
        "mesh",
        "normals.icon",
    ),
    "report": ("rendering.size",),
}


def planned_jobs(plan: Plan) -> list[PlannedJob]:
    """All jobs of a configuration in the order of the data, whether done or not."""
    return list(_jobs(plan))


def _jobs(plan: Plan) -> Iterator[PlannedJob]:
    config = plan.config
    variants = [VARIANTS[name] for name in plan.variants]
    yield PlannedJob("record", "record", "run.json")
    if config["scans"]["models"] is None:
        yield PlannedJob("body_model", "body_model", "standin/models.json")
    if plan.standin:
        for chunk in plan.chunks:
            yield replace(
                _chunk(plan, "standin", "", chunk, "standin/{}.json"),
                successor=f"views/{chunk}/manifest.json",
            )
    yield PlannedJob("catalogue", "catalogue", "scans.tsv", work=len(plan.entries))
    yield from (
        _chunk(plan, "render", "", chunk, "views/{}/manifest.json") for chunk in plan.chunks
    )
    bare = ["_no_body"] if any(not v.body for v in variants) else []
    for suffix in ["", *bare]:
        yield _training(plan, "coarse", suffix, "weights.safetensors")
    train = sum(len(plan.members(chunk)) for chunk in plan.training_chunks)
    yield PlannedJob("pairs", "pairs", "pairs/manifest.json", work=train, gpus=plan.gpus("pairs"))
    for rule in ("base", "controlnet"):
        yield _training(plan, rule, "", "manifest.json")
    two_view_bare = ["_no_body"] if any(v.two_view and not v.body for v in variants) else []
    for suffix in ["", *two_view_bare]:
        yield _training(plan, "fusion", suffix, "weights.safetensors")
    if plan.own_normals:
        yield _training(plan, "normals", "", "weights.safetensors")
    for name in plan.estimators:
        yield from (
            _chunk(plan, f"estimate_{name}", "", chunk, f"bodies/{name}/{{}}.json")
            for chunk in plan.test_chunks
        )
    for first in dict.fromkeys(v.first for v in variants):
        place = f"bodies/estimated{first}/{{}}.json"
        yield from (
            _chunk(plan, "estimate", "", chunk, place, suffix=first) for chunk in plan.test_chunks
        )
    for suffix, folder in dict.fromkeys(
        (v.first + v.side_views, v.bodies) for v in variants if v.refined
    ):
        place = f"bodies/{folder}/{{}}.json"
        yield from (
            _chunk(plan, "refine", "", chunk, place, suffix=suffix) for chunk in plan.test_chunks
        )
    for rule in ("reconstruct", "mesh", "evaluate"):
        for variant in plan.variants:
            place = f"subjects/{variant}/{{}}.{rule}.json"
            yield from (
                _chunk(plan, rule, f"{variant}/", chunk, place) for chunk in plan.test_chunks
            )
    for method in plan.baselines:
        yield from (
            _chunk(plan, "baseline", f"{method}/", chunk, f"baselines/{method}/{{}}.json")
            for chunk in plan.test_chunks
        )
    if plan.photos_to_estimate:
        names = tuple(photo.name for photo in plan.photos_to_estimate)
        rule = f"estimate_{plan.photo_estimator}"
        yield PlannedJob(
            rule,
            f"{rule}/photos",
            f"bodies/{plan.photo_estimator}/photos.json",
            names,
            len(names),
            plan.gpus(rule),
        )
    if plan.photos:
        names = tuple(photo.name for photo in plan.photos)
        yield PlannedJob(
            "photos", "photos", "photos/manifest.json", names, len(names), plan.gpus("photos")
        )
    tested = sum(len(plan.members(chunk)) for chunk in plan.test_chunks)
    yield PlannedJob("report", "report", "report/index.html", work=tested * len(variants))


def _chunk(
    plan: Plan, rule: str, before: str, chunk: str, output: str, *, suffix: str = ""
) -> PlannedJob:
    members = tuple(plan.members(chunk))
    return PlannedJob(
        rule,
        f"{rule}{suffix}/{before}{chunk}",
        output.format(chunk),
        members,
        len(members),
        plan.gpus(rule),
    )


def _training(plan: Plan, rule: str, suffix: str, output: str) -> PlannedJob:
    section = plan.config[rule]
    if rule == "base":
        samples = (
            1
            if section["folder"]
            else sum(section[f"{net}_steps"] * section[f"{net}_batch"] for net in ("vae", "unet"))
        )
    else:
        samples = section["steps"] * section["batch"] * section.get("accumulate", 1)
    name = f"{rule}{suffix}"
    return PlannedJob(
        rule, name, f"{name}/{output}", work=samples, gpus=plan.gpus(rule), training=True
    )


def size_of(config: dict[str, Any], rule: str) -> dict[str, Any]:
    """The values that decide what one member or sample of a rule costs."""
    found = {}
    for key in SIZES.get(rule, ()):
        value: Any = config
        for part in key.split("."):
            value = value[part]
        found[key] = value
    return found


LEARNING = ("coarse", "fusion", "pairs", "base", "controlnet", "normals")


def before(plan: Plan, job: PlannedJob, jobs: Sequence[PlannedJob]) -> list[str]:
    """Names of the jobs whose products a job reads, of a chunk those of the same chunk. For the
    clock alone: the rules decide what really waits for what."""
    wanted = _rules_before(plan, job)
    chunk = job.name.rsplit("/", 1)[-1] if job.members else None
    found = []
    for other in jobs:
        if other.name == job.name or not any(_fits(other, rule, part) for rule, part in wanted):
            continue
        same = (
            chunk is None
            or not other.members
            or (other.rule in ("standin", "render") and job.rule in LEARNING)
        )
        if same or other.name.rsplit("/", 1)[-1] == chunk:
            found.append(other.name)
    return found


def _fits(job: PlannedJob, rule: str, part: str | None) -> bool:
    """Whether a job is of the rule, and of the part of it that the second component of its name, or
    its own, names."""
    return job.rule == rule and (part is None or part in job.name.split("/"))


def _rules_before(plan: Plan, job: PlannedJob) -> list[tuple[str, str | None]]:
    """Rules, and which of their jobs; None: all of the rule."""
    config = plan.config
    rule = job.rule
    if rule in ("reconstruct", "mesh", "evaluate"):
        name = job.name.split("/")[1]
        v = VARIANTS[name]
        if rule == "evaluate":
            return [("reconstruct", name), ("mesh", name)]
        if rule == "mesh":
            return [("reconstruct", name), ("normals", None)]
        first = (
            ("refine", f"refine{v.first}{v.side_views}")
            if v.refined
            else ("estimate", f"estimate{v.first}")
        )
        return [
            first,
            ("coarse", f"coarse{v.networks}"),
            *([("fusion", f"fusion{v.networks}")] if v.two_view else []),
            *([("controlnet", None), ("base", None)] if v.diffusion else []),
        ]
    own: dict[str, list[tuple[str, str | None]]] = {
        "body_model": [("record", None)],
        "standin": [("body_model", None)],
        "catalogue": [("standin", None), ("body_model", None)],
        "render": [("catalogue", None)],
        "base": [("render", None)],
        "normals": [("render", None)],
        "coarse": [("render", None)],
        "pairs": [("coarse", "coarse")],
        "controlnet": [("pairs", None), ("base", None)],
        "fusion": [
            ("render", None),
            *(
                [("coarse", job.name.replace("fusion", "coarse"))]
                if config["fusion"]["warm_start"]
                else []
            ),
            *([("pairs", None)] if config["fusion"]["back_share"] else []),
        ],
        "estimate_pixie": [("render", None)],
        "estimate_pymafx": [("render", None)],
        "estimate": [("render", None), ("estimate_pixie", None), ("estimate_pymafx", None)],
        "refine": [("estimate", None), ("coarse", "coarse"), ("normals", None)],
        "baseline": [("render", None)],
        "photos": [
            ("fusion", None),
            ("controlnet", None),
            ("normals", None),
            ("estimate_pixie", None),
            ("estimate_pymafx", None),
        ],
        "report": [
            (other, None) for other in ("evaluate", "baseline", "photos", "controlnet", "normals")
        ],
    }
    return own.get(rule, [])


def readers_of_scans(plan: Plan, chunk: str) -> list[str]:
    """Names of the jobs that read the scans of a chunk."""
    readers = ["catalogue", f"render/{chunk}"]
    if chunk in plan.test_chunks:
        readers += [f"evaluate/{variant}/{chunk}" for variant in plan.variants]
    return readers
