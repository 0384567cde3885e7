"""What the time of MonoGaussianAvatar's jobs depends on: keys of the configuration, and the amount
of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hgm.systems.monogaussian.plan import Plan

NETWORKS = ("avatar.deformer_width", "avatar.geometry_width", "avatar.correction_width")
# rule -> the keys of the configuration that decide, besides the machine, how long its jobs take for
# each frame
DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "head_video": ("video.size", "standin.texture", "standin.held_out_every", "standin.lone"),
    "tracking_check": ("video.root",),
    "head_avatar": ("device", "video.size", *NETWORKS, "avatar.batch", "avatar.bands", "weights"),
    "head_evaluate": ("device", "video.size", *NETWORKS, "avatar.bands", "evaluate.refine_steps"),
    "reanimate": ("device", "animate.size", *NETWORKS, "avatar.bands"),
    "report": ("video.size",),
}


def amount(plan: Plan, rule: str, people: Sequence[str], wildcards: Mapping[str, str]) -> float:
    """The amount of work of a job: frames that it makes, sees or measures."""
    match rule:
        case "head_avatar":
            return max(1, plan.config["avatar"]["epochs"] * plan.training_frames)
        case "head_evaluate":
            return max(1, plan.frames(plan.clips[-1]))
        case "reanimate":
            return float(plan.config["animate"]["frames"])
        case "tracking_check":
            return max(1, sum(map(plan.frames, plan.clips)) / len(plan.clips))
    return len(people) if people else 1
