"""Tables of numbers for the page, from rows of a CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Cell:
    """Text of a number, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: head groups (title, width), column labels with their arrows, rows of a title and
    cells.

    absent: what the table would hold as well if it were available.
    """

    kind: ClassVar[str] = "grid"
    title: str
    remark: str
    groups: list[tuple[str, int]]
    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[Cell]]]
    absent: list[str]


# label, digits, which direction is better ("" = neither)
Label = tuple[str, int, str]
# group, column of the CSV, what other columns of its row must be
Column = tuple[str, str, dict[str, str]]


ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def number(text: str | None) -> float | None:
    """The finite number that a cell of a table says; None where it says none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def grid(
    title: str,
    remark: str,
    rows: Rows,
    key: str,
    columns: Sequence[Column],
    *,
    labels: Mapping[str, Label],
    row_name: Callable[[str], str] = str,
    names: Sequence[str] | None = None,
    ranked: bool = True,
) -> Grid | None:
    """A table with one row for each value of the column `key` (`names`, or all in order), None
    without any number.

    Columns without a number are left out and named in `absent`. labels: what columns are called on
    the page. ranked: mark the best of each column.
    """
    chosen = list(dict.fromkeys(r.get(key, "") for r in rows)) if names is None else list(names)
    values: list[list[float | None]] = []
    kept: list[Column] = []
    absent: list[str] = []
    for column in columns:
        group, name, where = column
        found = [
            next(
                (
                    number(r.get(name))
                    for r in rows
                    if r.get(key) == row and where.items() <= r.items()
                ),
                None,
            )
            for row in chosen
        ]
        if any(v is not None for v in found):
            kept.append(column)
            values.append(found)
        else:
            absent.append(f"{labels[name][0]} ({group})")
    if not kept or not chosen:
        return None
    cells: list[list[Cell]] = []
    for (_, name, _), column_values in zip(kept, values, strict=True):
        _, digits, better = labels[name]
        there = [v for v in column_values if v is not None]
        best = (
            (max(there) if better == "higher" else min(there))
            if ranked and better and len(there) > 1
            else None
        )
        cells.append(
            [Cell("–") if v is None else Cell(f"{v:.{digits}f}", v == best) for v in column_values]
        )
    groups: list[tuple[str, int]] = []
    for group, _, _ in kept:
        groups = (
            [*groups[:-1], (group, groups[-1][1] + 1)]
            if groups and groups[-1][0] == group
            else [*groups, (group, 1)]
        )
    heads = [(labels[name][0], ARROWS[labels[name][2]]) for _, name, _ in kept]
    body = [(row_name(row), [c[i] for c in cells]) for i, row in enumerate(chosen)]
    return Grid(title, remark, groups, heads, body, absent)
