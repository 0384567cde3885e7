"""What the time of the jobs of Animatable Gaussians depends on: keys of the configuration, and the
amount of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hgm.systems.animatable.plan import Plan

NETWORKS = ("maps.size", "network.top", "network.cap", "network.style", "network.precision")
PICTURES = ("capture.root", "standin.width", "standin.height")
# rule -> the keys of the configuration that decide, besides the machine, how long its jobs take for
# each frame, step or picture
DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "capture": (
        "standin.texture",
        "standin.cameras",
        "standin.held_out",
        "standin.width",
        "standin.height",
        "standin.samples",
    ),
    "capture_check": PICTURES,
    "template": ("template.grid", "template.file"),
    "position_maps": ("maps.size", "template.source"),
    "pretrain": ("device", *NETWORKS),
    "avatar": ("device", *PICTURES, *NETWORKS, "avatar.lpips", "weights"),
    "animate": ("device", "animate.size", *NETWORKS),
    "avatar_evaluate": ("device", *PICTURES, *NETWORKS, "weights"),
    "report": ("standin.width",),
}


def amount(plan: Plan, rule: str, people: Sequence[str], wildcards: Mapping[str, str]) -> float:
    """The amount of work of a job: frames that it makes, steps, or pictures that it measures."""
    match rule:
        case "pretrain" | "avatar":
            return float(plan.config[rule]["steps"])
        case "animate":
            return float(plan.film_frames(wildcards["motion"]))
        case "avatar_evaluate":
            return float(max(1, sum(map(plan.views, plan.splits))))
    return len(people) if people else 1
