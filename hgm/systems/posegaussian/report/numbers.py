"""The tables of numbers of PoseGaussian's page, and its first figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hgm.report.content import Headline
from hgm.report.grids import Column, Grid, Label, grid
from hgm.report.paper import MEAN
from hgm.report.parts import Note, Part
from hgm.systems.posegaussian.parts import CAPTURE, HARD, degrees_of
from hgm.systems.posegaussian.report.run import PLAIN, Run
from hgm.systems.posegaussian.report.tables import (
    IMAGE,
    MATCHED,
    MEDIAN,
    PLACES,
    PROTOCOLS,
    REGIONS,
    place_name,
)
from hgm.systems.posegaussian.rig import NOVEL
from hgm.systems.posegaussian.samples import HALFWAY

LABELS: Mapping[str, Label] = {
    "psnr": ("PSNR", 2, "higher"),
    "ssim": ("SSIM", 3, "higher"),
    "lpips": ("LPIPS", 4, "lower"),
    **{f"psnr{end}": ("PSNR", 2, "higher") for end in REGIONS.values() if end},
    "degrees": ("degrees", 1, ""),
    "points": ("number", 0, ""),
    "row_error": ("off their rows, px", 2, "lower"),
    "in_front": ("in front", 2, "higher"),
    "both_see": ("seen by both", 2, "higher"),
    "epe": ("EPE, px", 2, "lower"),
    "under_1": ("under 1 px", 3, "higher"),
    "under_3": ("under 3 px", 3, "higher"),
}
TITLES = {
    "full": "whole picture over black",
    "person_box": "person's box",
    "halfway_full": "halfway, whole picture",
    "halfway_person_box": "halfway, person's box",
}
BASELINES = {"copy_nearest": "nearer photo", "oracle": "true depth"}
ROWS = (
    "{variants}. Depth alone: round Gaussians of one size at the variant's depth; true depth: such "
    "at the true depth; nearer photo: that of the nearer camera as it is."
)
HALF = "halfway_full"
HARD_POSES = (
    "Hard: arms crossed, or hands held before the body, from the same places as in the other "
    "columns; of pairs behind the person the body hides them."
)


def headlines(run: Run) -> list[Headline]:
    """The first variant's means, and what it has to be better than."""
    if not run.variants:
        return []
    main = run.variants[0]
    rows = [
        ("PSNR", main, "full", "psnr", "{:.2f} dB", "whole picture over black"),
        ("In the box", main, "person_box", "psnr", "{:.2f} dB", "PSNR around the person"),
        ("EPE", main, None, "epe", "{:.2f} px", "error of the disparity"),
        ("Halfway", main, HALF, "psnr", "{:.2f} dB", "PSNR of the middle view"),
        ("Nearer photo", "copy_nearest", HALF, "psnr", "{:.2f} dB", "the same, baseline"),
    ]
    found = []
    for label, method, definition, column, form, remark in rows:
        text = next(
            (
                row.get(column)
                for table in ("novel_views", "disparity")
                for row in _means(run, table, PLAIN)
                if row["method"] == method and row.get("definition") == definition
            ),
            None,
        )
        found.append(
            (label, form.format(float(text)), remark) if text else (label, "–", "not available")
        )
    return found


def numbers(run: Run) -> list[Part]:
    """Pictures, by view and by place too, and disparity of the pairs as they were trained."""
    by_ratio = [row for row in run.table("by_ratio") if row.get("condition") == PLAIN]
    grids = [
        _grid(
            run,
            "Views between",
            "",
            _means(run, "novel_views", PLAIN),
            [
                (TITLES[region], metric, {"definition": region})
                for region in REGIONS
                for metric in IMAGE
            ],
        ),
        _grid(
            run,
            "Disparity",
            "Inside the person, what only one photo sees included; over both directions.",
            _means(run, "disparity", PLAIN),
            [("pixels", metric, {}) for metric in MATCHED],
        ),
    ]
    for protocol in PROTOCOLS:
        grids += [
            _grid(
                run,
                f"Each view between, {TITLES[protocol]}",
                f"View {HALFWAY} is halfway, the others are anywhere in their halves.",
                _means(run, "by_view", PLAIN),
                [
                    (f"view {view}", metric, {"view": f"{view}", "definition": protocol})
                    for view in NOVEL
                    for metric in IMAGE
                ],
            ),
            _grid(
                run,
                f"Along the way between the cameras, {TITLES[protocol]}",
                "The views in each fifth of the way from the left camera, 0, to the right one, 1.",
                by_ratio,
                [
                    (place_name(end), "psnr", {"place": place_name(end), "definition": protocol})
                    for end in PLACES
                ],
            ),
        ]
    parts: list[Part] = [one for one in grids if one is not None]
    if parts:
        variants = "; ".join(f"{name}: {run.title(name)}" for name in run.variants)
        parts.append(Note(ROWS.format(variants=variants)))
    return parts


def calibration(run: Run) -> list[Part]:
    """What the pictures of the rectified pairs say of their cameras, a row for each condition."""
    rows = [row for row in run.table("calibration") if row.get("subject") == MEDIAN]
    found = grid(
        "What the pictures say of the cameras",
        "Medians over the pairs: the angle at which both see the person, how far points that look "
        "alike are off their rows, how many of them are in front of the cameras, and the share of "
        "a view's person that the other sees too. Rows that are more than 2 pixels off, or points "
        "behind the cameras, mean a wrong calibration.",
        rows,
        "condition",
        [("cameras", "degrees", {}), ("matched points", "points", {})]
        + [("matched points", name, {}) for name in ("row_error", "in_front")]
        + [("person", "both_see", {})],
        labels=LABELS,
        row_name=lambda condition: _condition(run, condition),
        ranked=False,
    )
    return [] if found is None else [found]


def others(run: Run) -> list[Part]:
    """One table for each measure, a column for each condition."""
    rows = run.table("spacing")
    conditions = [c for c in run.asked if any(r.get("condition") == c for r in rows)]
    found: list[Grid | None] = [
        _grid(
            run,
            title,
            "",
            rows,
            [(_condition(run, c), column, {"condition": c}) for c in conditions],
        )
        for title, column in (
            ("Whole picture", "psnr"),
            ("Whole picture, LPIPS", "lpips"),
            ("Person's box", "psnr_box"),
            ("Halfway, whole picture", "psnr_halfway"),
            ("Disparity", "epe"),
        )
    ]
    parts: list[Part] = [one for one in found if one is not None]
    if parts and HARD in conditions:
        parts.append(Note(HARD_POSES))
    return parts


def _means(run: Run, table: str, condition: str) -> list[dict[str, str]]:
    """The rows of a table that are means over the pairs of a condition."""
    return [
        row
        for row in run.table(table)
        if row.get("condition") == condition and row.get("subject") == MEAN
    ]


def _grid(
    run: Run, title: str, remark: str, rows: Sequence[Mapping[str, str]], columns: Sequence[Column]
) -> Grid | None:
    """A table with a row for each method."""
    return grid(
        title,
        remark,
        rows,
        "method",
        columns,
        labels=LABELS,
        row_name=_title,
        names=sorted({row["method"] for row in rows}, key=_order(run)),
    )


def _order(run: Run) -> Callable[[str], tuple[bool, bool, int]]:
    """What methods are sorted by: variants, what each one's depth does alone, baselines."""
    known = [*run.variants, *BASELINES]

    def place(method: str) -> tuple[bool, bool, int]:
        name, _, rest = method.partition(" ")
        return name in BASELINES, bool(rest), known.index(name)

    return place


def _title(method: str) -> str:
    """What a method's row is called, briefly for narrow screens."""
    name, _, rest = method.partition(" ")
    return f"{name}, depth alone" if rest else BASELINES.get(name, name)


def _condition(run: Run, name: str) -> str:
    if name == PLAIN:
        return "as trained" if run.degrees is None else f"{run.degrees:g}°, trained"
    if name == CAPTURE:
        return "real rig"
    degrees = degrees_of(name)
    return name if degrees is None else f"{degrees:g}°"
