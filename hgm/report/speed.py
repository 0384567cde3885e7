"""How fast the result is rendered and how long a person takes, beside what the paper says; from the
measures of the jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hgm.core.items import read_times
from hgm.report.costs import number

STAGES = ("refine", "coarse", "back_view", "fusion", "mesh")  # of one person, in order


@dataclass(frozen=True)
class Speed:
    """One row: what was measured, the paper's number and ours as texts."""

    what: str
    paper: str
    ours: str


def measures(folder: Path, variant: str) -> dict[str, float]:
    """Medians over the people of one variant from results/<run>/benchmarks: `frames_per_second` and
    `size` of the turntable, seconds of each of STAGES, and of all together as `person` where none
    is lacking. What was not measured is left out."""
    made = _members(folder / "reconstruct" / variant)
    found: dict[str, list[Any]] = {
        name: [m.get(name) for m in made] for name in ("frames_per_second", "size")
    }
    for stage in STAGES:
        found[stage] = [
            m["stages"].get(stage) for m in made if isinstance(m.get("stages"), Mapping)
        ]
    found["refine"] = [m.get("seconds") for m in _members(folder / "refine")]
    found["mesh"] = [m.get("seconds") for m in _members(folder / "mesh" / variant)]
    numbers = {
        name: [x for value in values if (x := number(value)) is not None]
        for name, values in found.items()
    }
    medians = {name: float(median(values)) for name, values in numbers.items() if values}
    if all(stage in medians for stage in STAGES):
        medians["person"] = sum(medians[stage] for stage in STAGES)
    return medians


def _members(folder: Path) -> list[dict[str, Any]]:
    return [
        member
        for path in sorted(folder.glob("*.members.json"))
        for member in read_times(path).values()
    ]


def speeds(folder: Path, variant: str, paper: Sequence[Mapping[str, Any]]) -> list[Speed]:
    """The rows of `speed` in resources/paper.yaml; nothing where none was measured."""
    ours = measures(folder, variant)
    if not ours:
        return []
    rows = []
    for row in paper:
        value = ours.get(row["key"])
        key = row["key"]
        unit = row["unit"]
        at = f" at {ours['size']:.0f} px" if key == "frames_per_second" and "size" in ours else ""
        said = f"{row['value']:g} {unit} ({row['source']})" if "value" in row else "–"
        rows.append(Speed(row["name"], said, "–" if value is None else f"{value:.3g} {unit}{at}"))
    return rows
