"""How the avatars move: learned skinning, and the pixels that one expression alone moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgm.report.parts import Part, TextTable
from hgm.systems.monogaussian.report.run import Run

NONE = "–"


def movements(run: Run) -> list[Part]:
    """A table of what was measured of each variant; nothing where nothing was."""
    rows = [
        {"variant": measured.variant, **_row(measured.metrics["movement"])}
        for name in run.variants
        if (measured := run.measured(name, run.headline)) and measured.metrics.get("movement")
    ]
    return [TextTable("Movement", rows)] if any(len(row) > 1 for row in rows) else []


def _row(movement: Mapping[str, Any]) -> dict[str, str]:
    skinning = movement.get("skinning", {})
    row = {
        "skinning on the head (mean difference)": _text(skinning.get("head_mean"), 3),
        "weight of the bone that stays, on the body": _text(skinning.get("body_ghost"), 2),
    }
    for found in movement.get("expressions", ()):
        name = f"expression {found['expression'] + 1} ({found['pixels']} px)"
        row[name] = _text(found["iou"], 2)
    return row


def _text(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"
