"""How the avatars move: learned skinning, and the pixels that one expression alone moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgm.report.parts import Part, TextTable
from hgm.systems.monogaussian.report.run import Run

NONE = "–"
SKINNING = {"head_mean": "head: mean difference", "body_ghost": "body: the bone that stays"}


def movements(run: Run) -> list[Part]:
    """Tables of what was measured of each variant; nothing where nothing was."""
    found = {
        name: measured.metrics.get("movement", {})
        for name in run.variants
        if (measured := run.measured(name, run.headline))
    }
    tables = {
        "Learned skinning weights": {n: _skinning(m) for n, m in found.items()},
        "Overlap of moved pixels (IoU)": {n: _overlaps(m) for n, m in found.items()},
    }
    return [
        TextTable(title, [{"variant": name, **row} for name, row in rows.items() if row])
        for title, rows in tables.items()
        if any(rows.values())
    ]


def _skinning(movement: Mapping[str, Any]) -> dict[str, str]:
    found = movement.get("skinning", {})
    return {text: _text(found[key], 3) for key, text in SKINNING.items() if key in found}


def _overlaps(movement: Mapping[str, Any]) -> dict[str, str]:
    rows = movement.get("expressions", ())
    return {
        f"expression {row['expression'] + 1} ({row['pixels']} px)": _text(row["iou"], 2)
        for row in rows
    }


def _text(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"
