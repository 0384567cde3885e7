"""The tables of a run of PoseGaussian as CSV, and the comparison with what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hgm.core.files import atomic_write
from hgm.report.paper import MEAN, Place, paper_vs_ours, read_paper
from hgm.report.run import Subject, read_object
from hgm.systems.posegaussian import parts
from hgm.systems.posegaussian.parts import CAPTURE
from hgm.systems.posegaussian.report.run import PLAIN, Run, condition_of, number_of

IMAGE = ("psnr", "ssim", "lpips")
MATCHED = ("epe", "under_1", "under_3")
PROTOCOLS = ("full", "person_box")
# what is compared, and how its columns end in the table of conditions: all views between, or the
# one halfway alone, where the photos help least
REGIONS = {
    "full": "",
    "person_box": "_box",
    "halfway_full": "_halfway",
    "halfway_person_box": "_halfway_box",
}
# ends of the parts of the way from the left camera, 0, to the right one, 1
PLACES = (0.2, 0.4, 0.6, 0.8, 1.0)
CHECKED = ("degrees", "points", "row_error", "in_front", "both_see")  # of a rectified pair
TABLES = (
    "novel_views",
    "by_view",
    "by_ratio",
    "disparity",
    "calibration",
    "spacing",
    "paper_vs_ours",
)
MEDIAN = "median"
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


def by_view(run: Run) -> pd.DataFrame:
    """The same of each view between, with its place: `ratio`, 0 at the left camera, 1 at the right
    one."""
    rows = []
    for subject in run.subjects:
        about = {"condition": condition_of(subject), "subject": subject.name}
        for method, keys in _methods(subject):
            for view in _views(subject, keys):
                found = {"method": method, **about, "view": str(view.get("view"))}
                rows += [
                    {**found, "definition": protocol, "ratio": view.get("ratio")}
                    | {m: view.get(protocol, {}).get(m) for m in IMAGE}
                    for protocol in PROTOCOLS
                ]
    names = ["method", "condition", "subject", "view", "definition"]
    return with_means(
        _table(rows, names, ("ratio", *IMAGE)), ["method", "condition", "view", "definition"]
    )


def _views(subject: Subject, keys: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The views that a metrics.json measures below some keys."""
    found: Any = subject.metrics
    for key in keys:
        found = found[key]
    return list(found.get("views", ()))


def by_ratio(views: pd.DataFrame) -> pd.DataFrame:
    """The table of views by their place between the cameras: means over the views in each fifth of
    the way, and how many there are."""
    keys = ["method", "condition", "definition", "place"]
    own = views[views["subject"] != MEAN]
    ends = pd.cut(own["ratio"], [0.0, *PLACES], include_lowest=True, labels=list(PLACES))
    places = own.assign(place=[place_name(end) for end in ends.astype(float)])
    groups = places.groupby(keys, sort=False)
    means = groups[list(IMAGE)].mean().assign(views=groups.size())
    order = {place_name(end): i for i, end in enumerate(PLACES)}
    found = means.reset_index()
    return found.sort_values("place", key=lambda names: names.map(order), kind="stable")


def place_name(end: float) -> str:
    """That of the part of the way with this end: 0.4 -> `0.2-0.4`."""
    start = next((p for p in reversed(PLACES) if p < end), 0.0)
    return f"{start:g}-{end:g}"


def disparity(run: Run) -> pd.DataFrame:
    """The error of the disparity by variant and pair, and means over the pairs of a condition."""
    rows = [
        {"method": s.variant, "condition": condition_of(s), "subject": s.name}
        | {m: s.number("disparity", m) for m in MATCHED}
        for s in run.subjects
    ]
    frame = _table(rows, ["method", "condition", "subject"], MATCHED)
    return with_means(frame, ["method", "condition"])


def calibration(run: Run) -> pd.DataFrame:
    """What the pictures of each rectified pair say of its cameras (`check_pair`), and medians over
    the pairs of a condition; photos of a real rig are the condition `capture`."""
    rows = []
    for path in run.checks:
        place = path.parent.name
        condition = place if place == CAPTURE else parts.condition_of(place) or PLAIN
        for name, found in read_object(path).items():
            rows.append({"condition": condition, "subject": name, **found})
    frame = _table(rows, ["condition", "subject"], CHECKED)
    medians = frame.groupby("condition", sort=False)[list(CHECKED)].median().reset_index()
    return pd.concat([frame, medians.assign(subject=MEDIAN)], ignore_index=True)[frame.columns]


def spacing(pictures: pd.DataFrame, matched: pd.DataFrame, count: int | None) -> pd.DataFrame:
    """Means of both tables side by side, a row for each method and condition; over the first
    `count` pairs of each scan, of which there are such in every condition, or over all."""
    keys = ["method", "condition"]
    own = _first(pictures, count)
    found = [
        own[own["definition"] == region].groupby(keys, sort=False)[list(IMAGE)].mean()
        for region in REGIONS
    ]
    named = [means.add_suffix(end) for means, end in zip(found, REGIONS.values(), strict=True)]
    errors = _first(matched, count).groupby(keys, sort=False)[list(MATCHED)].mean()
    return pd.concat([*named, errors], axis=1).reset_index()


def _first(frame: pd.DataFrame, count: int | None) -> pd.DataFrame:
    """The rows of the first pairs of each scan, without means."""
    own = frame[frame["subject"] != MEAN]
    return own if count is None else own[own["subject"].map(number_of) < count]


def with_means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The frame with rows `mean` over subjects appended, one for each combination of `keys`."""
    if frame.empty:
        return frame
    numbers = [c for c in frame.columns if frame[c].dtype == float]
    means = frame.groupby(keys, sort=False)[numbers].mean().reset_index().assign(subject=MEAN)
    return pd.concat([frame, means], ignore_index=True)[frame.columns]


def write_tables(run: Run, paper: str | Path) -> dict[str, pd.DataFrame]:
    """Write tables/<name>.csv and return them by name. Cells that are not available are empty."""
    pictures, views, matched = novel_views(run), by_view(run), disparity(run)
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
        "by_view": views,
        "by_ratio": by_ratio(views),
        "disparity": matched,
        "calibration": calibration(run),
        "spacing": spacing(pictures, matched, run.setting("evaluate", "pairs")),
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
