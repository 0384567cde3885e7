"""The tables of a run as CSV, from the metrics.json of its subjects, and the comparison with the
paper."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hgm.body.estimators.labels import DISTURBED_BODIES
from hgm.body.estimators.programs import PIXIE
from hgm.core.files import atomic_write
from hgm.metrics.kid import KID
from hgm.report.paper import MEAN, Place, paper_vs_ours, read_paper, same_method
from hgm.report.run import Subject
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.variants import RENDER

DEFINITIONS = ("standard", "released_code", "person_box")
IMAGE = ("psnr", "ssim", "ms_ssim", "lpips")
SURFACE = ("chamfer_cm", "p2s_cm", "s2p_cm", "normal_consistency")
BODY = ("initial_mpjpe_mm", "mpjpe_mm", "initial_pa_mpjpe_mm", "pa_mpjpe_mm")
BASELINES = ("coarse", "textured_body", "copy_nearest")
TABLES = ("nvs", "geometry", "ablation", "smplx", "backview", "paper_vs_ours")
WITHOUT_BODIES = "copy_nearest"  # the only row for which no body is used
# variants with other bodies than the main one
BODY_VARIANTS = ("front_only", "pymafx", "pymafx_front_only")
# table -> its metrics that other methods can have
TABLE_METRICS = {"nvs": IMAGE, "geometry": SURFACE, "backview": (*IMAGE, "kid_e3")}


def _table(rows: list[dict[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    """A frame with these columns. Numbers are float, with NaN where a number is not available."""
    names = list(columns)
    frame = pd.DataFrame(rows, columns=names)
    numbers = [n for n in names if n in (*IMAGE, *SURFACE, *BODY, "kid_e3")]
    return frame.astype(dict.fromkeys(numbers, float))


def with_means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The frame with rows `mean` over subjects appended, one for each combination of `keys`; column
    `subjects` counts the rows behind a mean.

    A number that a subject lacks is left out of the mean.
    """
    frame = frame.assign(subjects=1)
    if frame.empty:
        return frame
    numbers = [c for c in frame.columns if frame[c].dtype == float]
    means = frame.groupby(keys, sort=False)[numbers].mean()
    means["subjects"] = frame.groupby(keys, sort=False)["subject"].count()
    return pd.concat([frame, means.reset_index().assign(subject=MEAN)], ignore_index=True)[
        frame.columns
    ]


def _image_rows(
    subjects: list[Subject], where: tuple[str, ...], label: str, name: str
) -> list[dict[str, Any]]:
    return [
        {
            label: name,
            "subject": s.name,
            "definition": d,
            **{m: s.number(*where, d, m) for m in IMAGE},
        }
        for s in subjects
        for d in DEFINITIONS
    ]


def _rival_rows(run: Run, where: str) -> list[dict[str, Any]]:
    """Rows with the image metrics of other methods."""
    return [
        row
        for name, subjects in run.rivals.items()
        for row in _image_rows(subjects, (where,), "method", name)
    ]


def nvs(run: Run) -> pd.DataFrame:
    """Novel views of the main variant, of its simple baselines and of other methods: method,
    subject, definition, image metrics (paper tables 1 and 2)."""
    rows = _image_rows(run.main, ("views",), "method", run.variants[0]) if run.main else []
    for name in BASELINES:
        if any(name in (s.metrics.get("baselines") or {}) for s in run.main):
            rows += _image_rows(run.main, ("baselines", name, "views"), "method", name)
    rows += _rival_rows(run, "views")
    return with_means(
        _table(rows, ["method", "subject", "definition", *IMAGE]), ["method", "definition"]
    )


def back_view(run: Run, kid: Mapping[str, KID | None]) -> pd.DataFrame:
    """The back view alone: for each variant the picture of the back that the fusion gets (paper
    table 7) and the render of its Gaussians; for the simple baselines and other methods their
    renders. `kid`, by method, goes into the rows of the means."""
    rows = [
        row
        for v in run.variants
        for name, where in ((v, "back"), (v + RENDER, "back_render"))
        for row in _image_rows(run.of(v), (where,), "method", name)
    ]
    for name in BASELINES:
        if any(name in (s.metrics.get("baselines") or {}) for s in run.main):
            rows += _image_rows(run.main, ("baselines", name, "back"), "method", name)
    rows += _rival_rows(run, "back")
    frame = with_means(
        _table(rows, ["method", "subject", "definition", *IMAGE]), ["method", "definition"]
    )
    values = {name: 1000 * value.mean for name, value in kid.items() if value is not None}
    standard = (frame["subject"] == MEAN) & (frame["definition"] == "standard")
    return frame.assign(kid_e3=frame["method"].map(values).astype(float).where(standard))


def geometry(run: Run) -> pd.DataFrame:
    """Surface errors of each variant and of other methods, without and with rigid alignment (paper
    table 3)."""
    rows = [
        {
            "variant": s.variant,
            "subject": s.name,
            "alignment": alignment,
            **{m: s.number("geometry", m + suffix) for m in SURFACE},
        }
        for s in [*run.subjects, *(s for subjects in run.rivals.values() for s in subjects)]
        for alignment, suffix in (("none", ""), ("icp", "_icp"))
    ]
    return with_means(
        _table(rows, ["variant", "subject", "alignment", *SURFACE]), ["variant", "alignment"]
    )


def smplx(run: Run) -> pd.DataFrame:
    """Joint errors before and after the refinement, for the main variant and those with other
    bodies (paper table 6)."""
    subjects = (
        [*run.main, *(s for name in BODY_VARIANTS if name != run.variants[0] for s in run.of(name))]
        if run.main
        else []
    )
    rows = [
        {"variant": s.variant, "subject": s.name, **{m: s.number("body", m) for m in BODY}}
        for s in subjects
    ]
    return with_means(_table(rows, ["variant", "subject", *BODY]), ["variant"])


def ablation(run: Run) -> pd.DataFrame:
    """Means of each variant (paper table 4): images in every definition, unaligned surfaces, and
    the number of subjects."""
    frame = _variants(run)
    return frame[frame["subject"] == MEAN].drop(columns="subject").reset_index(drop=True)


def _variants(run: Run) -> pd.DataFrame:
    """The same with a row for each subject."""
    rows = [
        {
            "variant": s.variant,
            "subject": s.name,
            "definition": d,
            **{m: s.number("views", d, m) for m in IMAGE},
            **{m: s.number("geometry", m) for m in SURFACE},
        }
        for s in run.subjects
        for d in DEFINITIONS
    ]
    return with_means(
        _table(rows, ["variant", "subject", "definition", *IMAGE, *SURFACE]),
        ["variant", "definition"],
    )


def our_place(
    row: Mapping[str, Any],
    table: Mapping[str, Any],
    key: str,
    baselines: Collection[str],
    bodies: Mapping[str, str],
) -> Place | None:
    """Table, row and column of this run with the number `key` of a row of the paper; None where the
    run has none.

    A row of the paper for one estimator belongs to the variant whose `bodies` that estimator made;
    a row for another method belongs to the one of `baselines` with its name.
    """
    if "ours" in row:
        ours = row["ours"]
        names = (
            [ours["row"]]
            if "row" in ours
            else [n for n in ours["rows"] if _by(ours["estimator"], bodies.get(n))]
        )
        return (ours["table"], names[0], ours.get("column", key)) if names else None
    name = next((b for b in baselines if same_method(b, row["method"])), None)
    place = next((t for t in table.get("baselines", ()) if key in TABLE_METRICS[t]), None)
    return None if name is None or place is None else (place, name, key)


def _by(estimator: str, made: str | None) -> bool:
    """Whether bodies are an estimator's; disturbed true fits count as PIXIE's."""
    return made == estimator or (made == DISTURBED_BODIES and estimator == PIXIE.title)


def compared(
    paper: Mapping[str, Any],
    frames: Mapping[str, pd.DataFrame],
    dataset: str,
    baselines: Collection[str] = (),
    bodies: Mapping[str, str] | None = None,
    *,
    tested: int,
) -> pd.DataFrame:
    """`hgm.report.paper.paper_vs_ours` for HGM. Rows of other methods are compared with the
    `baselines` of the same names; numbers from disturbed `bodies` are compared with none. bodies:
    by variant, what made its first bodies (`Run.first_bodies`)."""
    made = bodies or {}
    # for rows of the paper for which the run has no variant
    others = DISTURBED_BODIES if DISTURBED_BODIES in made.values() else ""

    def find(row: Mapping[str, Any], table: Mapping[str, Any], key: str) -> Place | None:
        return our_place(row, table, key, baselines, made)

    def spoiled(row: Mapping[str, Any], place: Place | None) -> bool:
        starts = made.get(place[1] if place else "", others)
        return "ours" in row and starts == DISTURBED_BODIES

    return paper_vs_ours(paper, frames, dataset, find, tested=tested, spoiled=spoiled)


def _with_bodies(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    """A table with the column `bodies`: for the simple baselines the bodies of the main variant,
    for other methods empty."""
    made = run.first_bodies
    first = made.get(run.variants[0], "") if run.variants else ""
    own = {**dict.fromkeys(BASELINES, first), **made, WITHOUT_BODIES: ""}
    return frame.assign(
        bodies=[own.get(name.removesuffix(RENDER), "") for name in frame.iloc[:, 0]]
    )


def write_tables(
    run: Run, paper: str | Path, *, kid: Mapping[str, KID | None] | None = None
) -> dict[str, pd.DataFrame]:
    """Write tables/{nvs,geometry,ablation,smplx,backview,paper_vs_ours}.csv of a run and return the
    tables by name.

    paper: resources/paper/hgm.yaml. kid: KID of the back view by method, where it was measured.
    Cells that are not available are empty. Tables of real scans have a last column `bodies`: what
    made the first bodies behind a row. The bytes depend on the metrics.json of the subjects and on
    the labels of their bodies.
    """
    frames = {
        "nvs": nvs(run),
        "geometry": geometry(run),
        "ablation": ablation(run),
        "smplx": smplx(run),
        "backview": back_view(run, kid or {}),
    }
    frames["paper_vs_ours"] = compared(
        read_paper(paper),
        {**frames, "ablation": _variants(run)},
        run.dataset,
        run.rivals,
        run.first_bodies,
        tested=len(run.tested),
    )
    if not run.standin:
        frames = {
            name: frame if name == "paper_vs_ours" else _with_bodies(frame, run)
            for name, frame in frames.items()
        }
    for name in TABLES:
        with atomic_write(run.place.tables / f"{name}.csv", "w") as file:
            frames[name].to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    return frames
