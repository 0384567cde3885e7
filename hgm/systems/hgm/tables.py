"""What the time of HGM's jobs depends on: keys of the configuration, and the amount of work. The
amount of a rule that is not listed here is its number of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hgm.systems.hgm.plan import Plan

# rule -> the keys of the configuration that decide, besides the machine, how long its jobs take for
# each person or sample
DEPENDS_ON: dict[str, tuple[str, ...]] = {
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


def amount(plan: Plan, rule: str, people: Sequence[str], wildcards: Mapping[str, str]) -> float:
    """The amount of work of a job: samples that a training sees, else people."""
    config = plan.config
    match rule:
        case "base":
            section = config["base"]
            if section["folder"]:
                return 1
            return sum(section[f"{net}_steps"] * section[f"{net}_batch"] for net in ("vae", "unet"))
        case "coarse" | "fusion" | "controlnet" | "normals":
            section = config[rule]
            return section["steps"] * section["batch"] * section.get("accumulate", 1)
        case "catalogue":
            return len(plan.entries)
        case "pairs":
            return plan.count("train")
        case "report":
            return plan.count("test") * len(plan.variants)
    return len(people) if people else 1
