"""What the time of PoseGaussian's jobs depends on: keys of the configuration, and the amount of
work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hgm.systems.posegaussian.parts import CAPTURE

if TYPE_CHECKING:
    from hgm.systems.posegaussian.plan import Plan

# rule -> the keys of the configuration that decide, besides the machine, how long its jobs take for
# each pair, scan or sample
DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "standin": ("scans.texture",),
    "catalogue": ("scans.source",),
    "stereo_views": ("pairs.size", "pairs.samples", "pairs.device", "pairs.root", "scans.source"),
    "heatmaps": ("pairs.size", "heatmaps"),
    "rectify": ("pairs.size",),
    "depth": ("device", "pairs.size", "network"),
    "gaussian_maps": ("device", "pairs.size", "network"),
    "novel_views": ("device", "pairs.size", "network", "between.frames"),
    "stereo_evaluate": ("device", "pairs.size", "weights"),
    "rig": ("pairs.size",),
    "report": ("pairs.size",),
}
# trainings, and the section that says how long they are
SECTIONS = {"depth": "depth", "gaussian_maps": "maps"}


def amount(plan: Plan, rule: str, people: Sequence[str], wildcards: Mapping[str, str]) -> float:
    """The amount of work of a job: pairs that a training sees or that are rendered of scans, else
    pairs or scans."""
    config = plan.config
    if rule in SECTIONS:
        section = config[SECTIONS[rule]]
        return float(section["steps"] * section["batch"] * section["accumulate"])
    if rule == "rig" or wildcards.get("shots") == CAPTURE:
        return float(max(plan.frames, 1))
    match rule:
        case "stereo_views":
            return float(len(people) * plan.pairs_per_scan(wildcards["part"]))
        case "catalogue":
            return len(plan.entries)
        case "report":
            return plan.count_pairs("test") * len(plan.variants)
    return len(people) if people else 1
