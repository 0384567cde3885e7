"""Pictures of the stages for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgm.images.views import view_path
from hgm.report.parts import Shot, shot
from hgm.report.pictures import Assets, read, read_depth, sheet
from hgm.report.run import Subject
from hgm.systems.hgm.report.names import VARIANT_NAMES
from hgm.systems.hgm.report.run import Run

DATA_SHEETS = 3  # scans whose views are shown
PAIR_COLUMNS = 8
ABLATION_SUBJECTS = 4


def data_sheets(run: Run, assets: Assets) -> list[Shot]:
    """The views of the first scan of each split; from top to bottom color, mask and, where they
    were rendered, depth and normals."""
    shown: dict[str, tuple[str, Path]] = {}
    for row in run.scans:
        folder = run.place.views / row.get("chunk", "") / row.get("scan", "")
        if view_path(folder, "rgb", 0).is_file():
            shown.setdefault(row.get("split", ""), (row.get("scan", ""), folder))
    found = []
    for split, (scan, folder) in list(shown.items())[:DATA_SHEETS]:
        count = len(list(folder.glob("rgb_*.png")))
        kinds = [
            kind
            for kind in ("rgb", "mask", "depth", "normal")
            if view_path(folder, kind, 0).is_file()
        ]
        rows: list[list[np.ndarray | None]] = [
            [
                read(view_path(folder, kind, i), 160)
                if kind != "depth"
                else read_depth(view_path(folder, kind, i), 160)
                for i in range(count)
            ]
            for kind in kinds
        ]
        image = sheet(rows, 128)
        if image is not None:
            found.append(shot(assets, f"Scan {scan} ({split})", image))
    return found


def pair_sheet(run: Run, assets: Assets) -> Shot | None:
    """The conditions of the ControlNet pairs above their targets."""
    folders = [p for p in sorted(run.place.pairs.glob("*/")) if (p / "condition.png").is_file()][
        :PAIR_COLUMNS
    ]
    if not folders:
        return None
    rows = [[read(p / name, 256) for p in folders] for name in ("condition.png", "target.png")]
    return shot(
        assets,
        "Above: back views of the unconverged coarse model. Below: the true back views.",
        sheet(rows, 144),
    )


def ablation_shots(run: Run, assets: Assets) -> list[tuple[str, list[Shot]]]:
    """For the first subjects: every variant and the truth, each seen from the side (above) and from
    behind (below)."""
    found = []
    for subject in run.main[:ABLATION_SUBJECTS]:
        shots = []
        same = [s for s in run.subjects if s.name == subject.name]
        for one in same:
            if one.views("novel"):
                shots.append(
                    shot(assets, VARIANT_NAMES.get(one.variant, one.variant), _pair(one, "novel"))
                )
        if subject.views("truth"):
            shots.append(shot(assets, "truth", _pair(subject, "truth")))
        if len(shots) > 1:
            found.append((subject.name, shots))
    return found


def _pair(subject: Subject, kind: str) -> np.ndarray | None:
    seen = subject.viewpoints
    return (
        None
        if seen is None
        else sheet([[read(subject.view(kind, i), 320)] for i in (seen.at(90), seen.back)], 192)
    )
