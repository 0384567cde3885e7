"""The rate at which results of HGM are rendered, and the time for each person, from the
measurements of the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from hgm.report.costs import number
from hgm.report.speed import members

STAGES = ("refine", "coarse", "back_view", "fusion", "mesh")  # stages of one person, in order


def measures(folder: Path, variant: str) -> dict[str, float]:
    """Medians over the people of one variant, from results/<run>/benchmarks: `frames_per_second`
    and `size` of the turntable, seconds of each of STAGES, and their sum as `person` where all are
    known. What was not measured is left out."""
    made = members(folder / "reconstruct" / variant)
    found: dict[str, list[Any]] = {
        name: [m.get(name) for m in made] for name in ("frames_per_second", "size")
    }
    for stage in STAGES:
        found[stage] = [
            m["stages"].get(stage) for m in made if isinstance(m.get("stages"), Mapping)
        ]
    found["refine"] = [m.get("seconds") for m in members(folder / "refine")]
    found["mesh"] = [m.get("seconds") for m in members(folder / "mesh" / variant)]
    numbers = {
        name: [x for value in values if (x := number(value)) is not None]
        for name, values in found.items()
    }
    medians = {name: float(median(values)) for name, values in numbers.items() if values}
    if all(stage in medians for stage in STAGES):
        medians["person"] = sum(medians[stage] for stage in STAGES)
    return medians
