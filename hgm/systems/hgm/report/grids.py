"""The run's CSV tables as rows and cells of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hgm.metrics.images import SCALE_WEIGHTS
from hgm.systems.hgm.report.methods import measured_views
from hgm.systems.hgm.report.names import COLUMNS, row_name
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.tables import MEAN

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

    title: str
    remark: str
    groups: list[tuple[str, int]]
    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[Cell]]]
    absent: list[str]


# group, column of the CSV, what other columns of its row must be
Column = tuple[str, str, dict[str, str]]
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def number(text: str | None) -> float | None:
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
    names: Sequence[str] | None = None,
    ranked: bool = True,
) -> Grid | None:
    """A table with one row for each value of the column `key` (`names`, or all in order), None
    without any number.

    Columns without a number are left out and named in `absent`. ranked: mark the best of each
    column.
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
            absent.append(f"{COLUMNS[name][0]} ({group})")
    if not kept or not chosen:
        return None
    cells: list[list[Cell]] = []
    for (_, name, _), column_values in zip(kept, values, strict=True):
        _, digits, better = COLUMNS[name]
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
    heads = [(COLUMNS[name][0], ARROWS[COLUMNS[name][2]]) for _, name, _ in kept]
    body = [(row_name(row), [c[i] for c in cells]) for i, row in enumerate(chosen)]
    return Grid(title, remark, groups, heads, body, absent)


def images(
    metrics: Sequence[str] = ("psnr", "ssim", "ms_ssim", "lpips"), *, mean: bool = True
) -> list[Column]:
    """Columns of the three definitions."""
    subject = {"subject": MEAN} if mean else {}
    found: list[Column] = [("standard", m, {**subject, "definition": "standard"}) for m in metrics]
    found += [
        ("released code", m, {**subject, "definition": "released_code"})
        for m in metrics
        if m in ("ssim", "lpips")
    ]
    return found + [
        ("person box", m, {**subject, "definition": "person_box"})
        for m in metrics
        if m != "ms_ssim"
    ]


def scales_remark(run: Run) -> str:
    """Says so where images were too small for the five scales of MS-SSIM."""
    counts = {
        int(n) for s in run.subjects if (n := s.number("views", "ms_ssim_scales")) is not None
    }
    if not counts or min(counts) >= len(SCALE_WEIGHTS):
        return ""
    return (
        f" The images are too small for all five scales of MS-SSIM: the first {min(counts)} were "
        "used, so MS-SSIM (and SSIM as the released code computes it) compares within this run "
        "only."
    )


def lacking_remark(run: Run) -> str:
    """Says which means of other methods are over fewer subjects."""
    parts = [f"{name} lacks {', '.join(sorted(failed))}" for name, failed in run.lacking.items()]
    return f" {'; '.join(parts)}: its means are over the others." if parts else ""


def grids(run: Run) -> list[Grid]:
    """Every table of the page but the comparison with the paper."""
    nvs, geometry, smplx, back = (run.table(n) for n in ("nvs", "geometry", "smplx", "backview"))
    subjects = list(
        dict.fromkeys(r["subject"] for r in nvs if r.get("subject") and r["subject"] != MEAN)
    )
    main = run.variants[0] if run.variants else ""
    bodies = [r for r in smplx if r.get("subject") == MEAN]
    aligned = [{**r, "row": r.get("variant", "")} for r in geometry if r.get("subject") == MEAN]
    surfaces: list[Column] = [
        (group, m, {"alignment": a})
        for group, a in (("as placed (cm)", "none"), ("after rigid ICP (cm)", "icp"))
        for m in ("chamfer_cm", "p2s_cm", "s2p_cm", "normal_consistency")
    ]
    joints: list[Column] = [
        ("MPJPE (mm)", "initial_mpjpe_mm", {}),
        ("MPJPE (mm)", "mpjpe_mm", {}),
        ("PA-MPJPE (mm)", "initial_pa_mpjpe_mm", {}),
        ("PA-MPJPE (mm)", "pa_mpjpe_mm", {}),
    ]
    ablation: list[Column] = [*images(("psnr", "ssim", "lpips"), mean=False)]
    ablation += [
        ("surface (cm)", m, {"definition": "standard"})
        for m in ("chamfer_cm", "p2s_cm", "normal_consistency")
    ]
    ablation += [("", "subjects", {"definition": "standard"})]
    found = [
        grid(
            "Novel views",
            f"Mean over the test subjects, {measured_views(run)}. The rows below the first are "
            "baselines that any reconstruction should beat"
            + (", then other methods' results." if run.rivals else ".")
            + lacking_remark(run)
            + scales_remark(run),
            nvs,
            "method",
            images(),
        ),
        grid(
            "Ablation",
            "The same subjects and metrics with one part of the method left out at a time.",
            run.table("ablation"),
            "variant",
            ablation,
        ),
        grid(
            "Novel views, each subject",
            "The main variant.",
            [r for r in nvs if r.get("method") == main],
            "subject",
            images(mean=False),
            names=[*subjects, MEAN],
            ranked=False,
        ),
        grid(
            "Surface",
            "Distances between the mesh and the scan, 100,000 points a side unless the "
            "configuration says otherwise; P2S: the mesh to the scan, S2P: the scan to the mesh."
            + lacking_remark(run),
            aligned,
            "row",
            surfaces,
        ),
        grid(
            "Body",
            "Joint errors of the first estimate and of the refined one; PA: after a Procrustes "
            "alignment.",
            [r for r in smplx if r.get("variant") == main],
            "subject",
            joints,
            ranked=False,
        ),
        grid(
            "Body, by estimator and refinement",
            "The same, means over the test subjects.",
            bodies,
            "variant",
            joints,
        )
        if len(bodies) > 1
        else None,
        grid(
            "Back view",
            "The side that the photo does not show: the picture of it that each variant makes, "
            "which the fusion sees, and the render of the Gaussians.",
            back,
            "method",
            [*images(), ("set", "kid_e3", {"subject": MEAN, "definition": "standard"})],
        ),
    ]
    return [g for g in found if g is not None]


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
