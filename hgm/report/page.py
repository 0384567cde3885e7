"""The page of a run: one folder that opens offline, on a phone as well, and is equal for equal
runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from hgm.errors import InputError
from hgm.report.bundle import VIEWER
from hgm.report.content import Report
from hgm.report.costs import costs
from hgm.report.curves import curve_svg, panels
from hgm.report.grids import Grid
from hgm.report.paper import comparisons, read_paper
from hgm.report.parts import Shot, shot
from hgm.report.pictures import Assets, read
from hgm.report.rule_graph import read_graph, stages, workflow_svg
from hgm.report.run import Run
from hgm.report.site import Site
from hgm.report.speed import speeds

LONG = 40  # rows: a longer table has a page of its own
TABLES = "people/tables.html"
log = logging.getLogger(__name__)


def build_page(
    run: Run,
    out: Path,
    make: Callable[..., Report],
    *,
    benchmarks: Path | None = None,
    paper: Path | None,
    viewer: Path = VIEWER,
) -> Path:
    """Write `out`/index.html, the pages beside it and `out`/assets from the files of a run; return
    the index.

    run: its tables are written before. make: the system's `Report`. benchmarks: folder with
    Snakemake's benchmark files, results/<run>/benchmarks unless given. paper: the system's paper
    (`hgm.report.bundle.paper_of`). viewer: the built program of the interactive view; films take
    its place where it is not built. What the run lacks is shown as not available. Raises InputError
    where the run has no folder.
    """
    if not run.folder.is_dir():
        raise InputError(f"{run.folder}: not a results folder; run the workflow first")
    if not viewer.is_file():
        log.warning(
            "The report has films in place of the interactive view: build it with `make viewer`, "
            "then run the report again"
        )
    assets = Assets(out)
    for folder in ("assets", "people"):
        shutil.rmtree(out / folder, ignore_errors=True)
    report = make(run, assets, viewer=viewer.is_file())
    title = str(run.setting("run") or run.folder.name)
    site = Site(out, assets, title, report.SYSTEM, viewer, report.banners())
    for page in report.pages():
        site.write(page.path, page.template, **page.values)
    sections = report.sections()
    folded = [
        one
        for section in sections
        for one in section.parts
        if isinstance(one, Grid) and len(one.rows) > LONG
    ]
    if folded:
        site.write(TABLES, "tables.html.j2", grids=folded)
    return site.write(
        "index.html",
        "index.html.j2",
        sections=sections,
        folded=folded,
        **_shared(report, assets, benchmarks, paper),
    )


def _shared(
    report: Report, assets: Assets, benchmarks: Path | None, paper: Path | None
) -> dict[str, Any]:
    """What the index says of every system."""
    run = report.run
    measured = run.place.benchmarks if benchmarks is None else benchmarks
    spent = costs(measured, stages(run.place.logs))
    numbers = read_paper(paper) if paper is not None and paper.is_file() else None
    graph = read_graph(run.place.logs)
    judged, same = report.judged(numbers)
    return {
        "kicker": report.KICKER,
        "lead": report.LEAD,
        "chips": [*_splits(run), *report.chips()],
        "headlines": report.headlines(),
        "hero": report.hero(),
        "stages": _stages(report, assets),
        "trained_on": report.trained_on(),
        "judged": judged,
        "same_data": same,
        "source": None if numbers is None else numbers["source"],
        "comparisons": comparisons(run, numbers),
        "graph": None if graph is None else workflow_svg(graph),
        "costs": spent,
        "speeds": [] if numbers is None else speeds(report.speeds(measured), numbers["speed"]),
        "total_seconds": sum(c.seconds for c in spent),
        "methods": report.methods(),
        "provenance": _provenance(run),
        "config": yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True)
        if run.config
        else "",
    }


def _splits(run: Run) -> list[tuple[int, str]]:
    """How many scans there are of each split."""
    counts: dict[str, int] = {}
    for row in run.scans:
        counts[row.get("split", "")] = counts.get(row.get("split", ""), 0) + 1
    return [(count, f"{split} scans") for split, count in counts.items()]


def _stages(report: Report, assets: Assets) -> list[dict[str, Any]]:
    """Curves and validation pictures of each trained network."""
    found = []
    run = report.run
    order = list(report.STAGES)
    for name, history in sorted(
        run.histories.items(), key=lambda x: (order.index(x[0]) if x[0] in order else 99, x[0])
    ):
        title = report.STAGES.get(name, name)
        curves = [
            svg
            for label, keys in panels(history)
            if (svg := curve_svg(history, name, label, keys)) is not None
        ]
        shots = validation_shots(run, assets, name)
        found.append(
            {
                "name": title,
                "steps": int(history[-1]["step"]),
                "curves": curves,
                "validation": shots,
            }
        )
    return found


def validation_shots(run: Run, assets: Assets, stage: str) -> list[Shot]:
    """The first, a middle and the last validation picture of a stage."""
    paths = sorted((run.folder / stage / "validation").glob("step_*.png"))
    chosen = [paths[i] for i in sorted({0, len(paths) // 2, len(paths) - 1})] if paths else []
    return [
        shot(assets, f"Step {int(p.stem[5:]):,}" if p.stem[5:].isdigit() else p.stem, read(p, 1200))
        for p in chosen
    ]


def _provenance(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """run.json as titled lists of plain pairs; the configuration has a place of its own on the
    page."""
    general: list[tuple[str, str]] = []
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for key, value in run.record.items():
        if key == "config":
            continue
        if isinstance(value, Mapping):
            groups.append((key, [(str(k), _plain(v)) for k, v in value.items()]))
        else:
            general.append((key, _plain(value)))
    return ([("run", general)] if general else []) + groups


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
