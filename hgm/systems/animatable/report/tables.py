"""The tables of a run of avatars as CSV, and the comparison with what is public of the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hgm.core.files import atomic_write
from hgm.report.paper import MEAN, Place, paper_vs_ours, read_paper
from hgm.report.run import Subject
from hgm.systems.animatable.report.run import Run

METRICS = ("mae", "psnr", "ssim", "lpips")
REGIONS = ("full", "person_box", "crease")
TABLES = ("avatars", "paper_vs_ours")


def avatars(run: Run) -> pd.DataFrame:
    """Every measure of every avatar: variant, split, region, means over pictures; KID is of the
    person's boxes."""
    rows = []
    for subject in run.subjects:
        for region in REGIONS:
            numbers = _numbers(subject, region)
            if any(value is not None for value in numbers.values()):
                kid = subject.number("kid") if region == "person_box" else None
                row = {"variant": subject.variant, "split": subject.name, "region": region}
                rows.append(
                    {**row, "pictures": subject.metrics.get("pictures"), **numbers, "kid": kid}
                )
    columns = ["variant", "split", "region", "pictures", *METRICS, "kid"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys((*METRICS, "kid"), float))


def _numbers(subject: Subject, region: str) -> dict[str, float | None]:
    return {m: subject.number("images", region, "standard", m) for m in METRICS}


def write_tables(run: Run, paper: str | Path) -> dict[str, pd.DataFrame]:
    """Write tables/{avatars,paper_vs_ours}.csv and return them by name. Cells that are not
    available are empty."""
    frame = avatars(run)
    means = pd.concat([frame.assign(subject="1"), frame.assign(subject=MEAN)], ignore_index=True)
    # one subject, whose numbers are the mean over all of them; the first variant's
    first = run.variants[0] if run.variants else ""
    own = means[means["variant"] == first]
    own = own.assign(place=own["split"] + " " + own["region"])
    own = own[["place", *(c for c in own.columns if c != "place")]]
    compared = paper_vs_ours(read_paper(paper), {"avatars": own}, run.dataset, _place, tested=1)
    frames = {"avatars": frame, "paper_vs_ours": compared}
    for name in TABLES:
        with atomic_write(run.place.tables / f"{name}.csv", "w") as file:
            frames[name].to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    return frames


def _place(row: Mapping[str, Any], table: Mapping[str, Any], key: str) -> Place | None:
    """Where the run has a number of the paper."""
    ours = row.get("ours")
    return None if ours is None else (ours["table"], ours["row"], key)
