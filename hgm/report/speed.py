"""How fast a system is, beside what its paper says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgm.core.items import read_times


@dataclass(frozen=True)
class Speed:
    """One row: what was measured, the paper's number and ours as texts."""

    what: str
    paper: str
    ours: str


def members(folder: Path) -> list[dict[str, Any]]:
    """What the jobs below a folder of benchmarks measured of each of their people."""
    return [
        member
        for path in sorted(folder.glob("*.members.json"))
        for member in read_times(path).values()
    ]


def speeds(ours: Mapping[str, float], paper: Sequence[Mapping[str, Any]]) -> list[Speed]:
    """The rows of `speed` of the paper beside our medians by their keys (`size`: edge of the frames
    in pixels); nothing where none was measured."""
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
