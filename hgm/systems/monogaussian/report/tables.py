"""The tables of a run of head avatars as CSV, and the comparison with what papers report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hgm.core.files import atomic_write
from hgm.report.paper import MEAN, Place, paper_vs_ours, read_paper
from hgm.report.run import Subject
from hgm.systems.monogaussian.report.run import LIKE_PAPERS, Run

METRICS = ("mae", "psnr", "ssim", "lpips")
REGIONS = ("full", "no_cloth", "mouth", "eyes", "held_out")
DEFINITIONS = ("standard", "released_code")
TABLES = ("reenactment", "paper_vs_ours")


def reenactment(run: Run) -> pd.DataFrame:
    """Every measure of every avatar: variant, protocol, region, definition, frames' means."""
    rows = [
        {
            "variant": s.variant,
            "protocol": s.name,
            "region": region,
            "definition": definition,
            **_numbers(s, region, definition),
        }
        for s in run.subjects
        for region in REGIONS
        for definition in DEFINITIONS
        if any(v is not None for v in _numbers(s, region, definition).values())
    ]
    columns = ["variant", "protocol", "region", "definition", *METRICS]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(METRICS, float))


def _numbers(subject: Subject, region: str, definition: str) -> dict[str, float | None]:
    return {m: subject.number("images", region, definition, m) for m in METRICS}


def write_tables(run: Run, paper: str | Path) -> dict[str, pd.DataFrame]:
    """Write tables/{reenactment,paper_vs_ours}.csv and return them by name. Cells that are not
    available are empty."""
    frame = reenactment(run)
    whole = frame[(frame["region"] == "full") & (frame["protocol"] == LIKE_PAPERS)]
    # one subject, whose numbers are the mean over all of them
    means = pd.concat([whole.assign(subject="1"), whole.assign(subject=MEAN)], ignore_index=True)
    compared = paper_vs_ours(
        read_paper(paper), {"reenactment": means}, run.dataset, _place, tested=1
    )
    frames = {"reenactment": frame, "paper_vs_ours": compared}
    for name in TABLES:
        with atomic_write(run.place.tables / f"{name}.csv", "w") as file:
            frames[name].to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    return frames


def _place(row: Mapping[str, Any], table: Mapping[str, Any], key: str) -> Place | None:
    """Where the run has a number of the paper."""
    ours = row.get("ours")
    return None if ours is None else (ours["table"], ours["row"], key)
