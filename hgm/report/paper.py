"""The paper's numbers and this run's beside each other.

The paper of a system is resources/paper/<system>.yaml: its tables row by row, the metrics with the
tolerance inside which a number counts as reached, the data sets, and what the paper says of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from hgm.errors import InputError
from hgm.report.grids import number
from hgm.report.run import Run

MEAN = "mean"
PARTS = ("source", "metrics", "ambiguous", "datasets", "tables", "speed")
# table, row and column in which a run has a number of the paper
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Comparison:
    """Rows of one table of the paper: row, metric, paper, ours, over how many subjects, tolerance,
    verdict."""

    title: str
    remark: str
    rows: list[tuple[str, str, str, str, str, str, str]]


def comparisons(run: Run, paper: Mapping[str, object] | None) -> list[Comparison]:
    """paper_vs_ours.csv by table of the paper."""
    described: dict[str, Mapping[str, object]] = {}
    if paper is not None and isinstance(paper["tables"], list):
        described = {str(t["id"]): t for t in paper["tables"]}
    tables: dict[str, list[Mapping[str, str]]] = {}
    for entry in run.table("paper_vs_ours"):
        tables.setdefault(entry.get("table", ""), []).append(entry)
    found = []
    for name, rows in tables.items():
        about = described.get(name, {})
        cells = []
        for row in rows:
            ours = number(row.get("ours"))
            paper_value = number(row.get("paper"))
            tolerance = number(row.get("tolerance"))
            cells.append(
                (
                    row.get("row", ""),
                    row.get("metric", ""),
                    "–" if paper_value is None else f"{paper_value:g}",
                    "–" if ours is None else f"{ours:.4g}",
                    row.get("subjects") or "–",
                    "–" if tolerance is None else f"± {tolerance:g}",
                    row.get("verdict", ""),
                )
            )
        title = f"Table {name}" + (f": {about['title']}" if "title" in about else "")
        found.append(Comparison(title, str(about.get("remark", "")), cells))
    return found


OTHER_DATA = "not comparable: other data set"


# first bodies that are the truth with noise of the size of the paper's errors
TRUE_BODIES = "not comparable: disturbed bodies"


def read_paper(path: str | Path) -> dict[str, Any]:
    """What resources/paper/<system>.yaml says. Raises InputError where it is not all there."""
    try:
        data = yaml.safe_load(Path(path).read_text())
        return {name: data[name] for name in PARTS}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not the paper's tables ({' '.join(str(error).split())})"
        ) from None


def verdict(
    paper: float,
    ours: float | None,
    better: str,
    tolerance: float,
    *,
    same_data: bool,
    true_bodies: bool = False,
) -> str:
    """Within the tolerance, better or worse than that; never any of them on other data than the
    paper's, or for a number that comes from `true_bodies`, first bodies made from the truth."""
    if not same_data:
        return OTHER_DATA
    if true_bodies:
        return TRUE_BODIES
    if ours is None:
        return "not available"
    ahead = ours - paper if better == "higher" else paper - ours
    if abs(ahead) <= tolerance + 1e-9:  # the edge belongs to the band
        return "within tolerance"
    return "better" if ahead > 0 else "worse"


def same_method(name: str, other: str) -> bool:
    """Whether two spellings name one method: `LGM (fine-tuned)` and `lgm_fine_tuned`."""
    return re.sub(r"[^a-z0-9]", "", name.lower()) == re.sub(r"[^a-z0-9]", "", other.lower())


def paper_vs_ours(
    paper: Mapping[str, Any],
    frames: Mapping[str, pd.DataFrame],
    dataset: str,
    find: Callable[[Mapping[str, Any], Mapping[str, Any], str], Place | None],
    *,
    tested: int,
    spoiled: Callable[[Mapping[str, Any], Place | None], bool] = lambda row, place: False,
) -> pd.DataFrame:
    """table, row, metric, paper, ours, subjects, tolerance, verdict for every number of the paper.

    `frames` hold the rows of subjects and of means. `find` says where the run has a number, from a
    row of the paper, its table and the metric; `spoiled` whether that number comes from the truth.
    `subjects` says over how many of the `tested` ones our number is: who was set aside is in no
    mean, and does not hinder the comparison. Metrics that the paper calls `ambiguous` stand in it
    under both definitions, since it does not say which one it prints.
    """
    rows = []
    for table in paper["tables"]:
        for row in table["rows"]:
            for key, value in row["values"].items():
                metric = paper["metrics"][key]
                place = find(row, table, key)
                doubled = key in paper["ambiguous"]
                for definition in paper["ambiguous"][key] if doubled else ("standard",):
                    ours, count = (
                        (None, 0)
                        if place is None
                        else _mean(frames[place[0]], place[1], place[2], definition)
                    )
                    rows.append(
                        {
                            "table": table["id"],
                            "row": f"{row['method']}, {paper['datasets'][row['dataset']]['name']}",
                            "metric": f"{metric['name']} ({definition.replace('_', ' ')})"
                            if doubled
                            else metric["name"],
                            "paper": float(value),
                            "ours": ours,
                            "subjects": "" if ours is None else f"{count} of {tested}",
                            "tolerance": float(metric["tolerance"]),
                            "verdict": verdict(
                                value,
                                ours,
                                metric["better"],
                                metric["tolerance"],
                                same_data=row["dataset"] == dataset,
                                true_bodies=spoiled(row, place),
                            ),
                        }
                    )
    return pd.DataFrame(
        rows,
        columns=["table", "row", "metric", "paper", "ours", "subjects", "tolerance", "verdict"],
    )


def _mean(frame: pd.DataFrame, row: str, column: str, definition: str) -> tuple[float | None, int]:
    """The mean of one method or variant, its first column being `row`, surfaces without alignment,
    and over how many subjects it is; KID, which no subject has alone, is over all that are
    there."""
    if column not in frame.columns:
        return None, 0
    chosen = frame[frame.iloc[:, 0] == row]
    for name, value in (("definition", definition), ("alignment", "none")):
        if name in chosen.columns:
            chosen = chosen[chosen[name] == value]
    subjects = chosen[chosen["subject"] != MEAN]
    means = chosen[chosen["subject"] == MEAN][column].dropna()
    if means.empty:
        return None, 0
    return float(means.iloc[0]), int(subjects[column].notna().sum()) or len(subjects)
