"""The tables of a run of PoseGaussian as CSV, and the comparison with what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hgm.core.files import atomic_write
from hgm.report.paper import MEAN, Place, paper_vs_ours, read_paper
from hgm.report.run import Subject
from hgm.systems.posegaussian.report.run import PLAIN, Run, condition_of

IMAGE = ("psnr", "ssim", "lpips")
DISPARITY = ("epe", "under_1", "under_3")
# what is compared, and how its columns end in the table of conditions: all views between, or the
# one halfway alone, where the photos help least
REGIONS = {
    "full": "",
    "person_box": "_box",
    "halfway_full": "_halfway",
    "halfway_person_box": "_halfway_box",
}
TABLES = ("novel_views", "disparity", "spacing", "paper_vs_ours")
WARPED = "warped_points"  # a baseline that each variant has, by its own depth


def novel_views(run: Run) -> pd.DataFrame:
    """Pictures of the views between: a row for each method, pair and region, and means over the
    pairs of a condition. Baselines are methods as well."""
    rows = [
        {"method": method, "condition": condition_of(s), "subject": s.name, "definition": region}
        | {m: s.number(*keys, "images", region, "standard", m) for m in IMAGE}
        for s in run.subjects
        for method, keys in _methods(s)
        for region in REGIONS
    ]
    frame = _table(rows, ["method", "condition", "subject", "definition"], IMAGE)
    return with_means(frame, ["method", "condition", "definition"])


def _methods(subject: Subject) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The methods that a metrics.json measures, each with the keys that lead to it."""
    yield subject.variant, ()
    for name in subject.metrics.get("baselines", {}):
        own = f"{subject.variant} {name}" if name == WARPED else name
        yield own, ("baselines", name)


def disparity(run: Run) -> pd.DataFrame:
    """The error of the disparity by variant and pair, and means over the pairs of a condition."""
    rows = [
        {"method": s.variant, "condition": condition_of(s), "subject": s.name}
        | {m: s.number("disparity", m) for m in DISPARITY}
        for s in run.subjects
    ]
    frame = _table(rows, ["method", "condition", "subject"], DISPARITY)
    return with_means(frame, ["method", "condition"])


def spacing(pictures: pd.DataFrame, matched: pd.DataFrame) -> pd.DataFrame:
    """The means of both tables side by side, a row for each method and condition."""
    means = pictures[pictures["subject"] == MEAN]
    keys = ["method", "condition"]
    found = [
        means[means["definition"] == region].set_index(keys)[["psnr", "ssim"]].add_suffix(end)
        for region, end in REGIONS.items()
    ]
    errors = matched[matched["subject"] == MEAN].set_index(keys)[list(DISPARITY)]
    return pd.concat([*found, errors], axis=1).reset_index()


def with_means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The frame with rows `mean` over subjects appended, one for each combination of `keys`."""
    if frame.empty:
        return frame
    numbers = [c for c in frame.columns if frame[c].dtype == float]
    means = frame.groupby(keys, sort=False)[numbers].mean().reset_index().assign(subject=MEAN)
    return pd.concat([frame, means], ignore_index=True)[frame.columns]


def write_tables(run: Run, paper: str | Path) -> dict[str, pd.DataFrame]:
    """Write tables/<name>.csv and return them by name. Cells that are not available are empty."""
    pictures, matched = novel_views(run), disparity(run)
    plain = pictures[pictures["condition"] == PLAIN].drop(columns="condition")
    compared = paper_vs_ours(
        read_paper(paper),
        {"novel_views": plain},
        run.dataset,
        _place,
        tested=len({s.name for s in run.subjects if condition_of(s) == PLAIN}),
    )
    frames = {
        "novel_views": pictures,
        "disparity": matched,
        "spacing": spacing(pictures, matched),
        "paper_vs_ours": compared,
    }
    for name in TABLES:
        with atomic_write(run.place.tables / f"{name}.csv", "w") as file:
            frames[name].to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    return frames


def _table(rows: list[dict[str, Any]], names: list[str], numbers: tuple[str, ...]) -> pd.DataFrame:
    """Numbers are float, with NaN where a number is not available."""
    return pd.DataFrame(rows, columns=[*names, *numbers]).astype(dict.fromkeys(numbers, float))


def _place(row: Mapping[str, Any], table: Mapping[str, Any], key: str) -> Place | None:
    """Where the run has a published number."""
    ours = row.get("ours")
    return None if ours is None else (ours["table"], ours["row"], key)
