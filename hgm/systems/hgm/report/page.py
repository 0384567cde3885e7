"""The pages of a run: one folder that opens offline, on a phone as well, and is equal for equal
runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hgm.core.runtime import atomic_write
from hgm.errors import InputError
from hgm.report.bundle import PAPER, TEMPLATES, VIEWER
from hgm.report.costs import costs, duration
from hgm.report.curves import curve_svg, panels
from hgm.report.pictures import Assets
from hgm.report.rule_graph import read_graph, workflow_svg
from hgm.report.speed import speeds
from hgm.systems.hgm.report.gallery import ablation_shots, data_sheets, pair_sheet, validation_shots
from hgm.systems.hgm.report.grids import Grid, comparisons, grids
from hgm.systems.hgm.report.methods import methods
from hgm.systems.hgm.report.names import STAGE_NAMES, VARIANT_NAMES
from hgm.systems.hgm.report.people import people
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.tables import MEAN, read_paper

LONG = 40  # rows: a longer table of each person has a page of its own
log = logging.getLogger(__name__)


def build_report(
    run: Path,
    out: Path,
    config: Mapping[str, Any],
    *,
    benchmarks: Path | None = None,
    paper: Path | None = PAPER,
    viewer: Path = VIEWER,
) -> Path:
    """Write `out`/index.html, a page for each person in `out`/people and `out`/assets from the
    files of a run; return the index.

    run: results/<run>, its tables written before (`hgm.systems.hgm.report.tables.write_tables`).
    config: the resolved configuration. benchmarks: folder with Snakemake's benchmark files,
    results/<run>/benchmarks unless given. paper: resources/paper.yaml. viewer: the built program of
    the interactive view; films take its place where it is not built. What the run lacks is shown as
    not available. Raises InputError when `run` is no folder.
    """
    import jinja2

    if not run.is_dir():
        raise InputError(f"{run}: not a results folder; run the workflow first")
    if not viewer.is_file():
        log.warning(
            "The report has films in place of the interactive view: build it with `make viewer`, "
            "then run the report again"
        )
    data = Run(run, config)
    assets = Assets(out)
    for folder in ("assets", "people"):
        shutil.rmtree(out / folder, ignore_errors=True)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    environment.globals |= {
        "title": str(data.setting("run") or run.name),
        "standin": data.standin,
        "disturbed": data.disturbed,
        "style": assets.add((TEMPLATES / "style.css").read_bytes(), ".css"),
        "script": assets.add((TEMPLATES / "page.js").read_bytes(), ".js"),
        "bundle": assets.add(viewer.read_bytes(), ".js") if viewer.is_file() else None,
    }

    def write(name: str, template: str, **values: Any) -> None:
        page = environment.get_template(template).render(root="../" * name.count("/"), **values)
        with atomic_write(out / name, "w") as file:
            file.write(page)

    shown = people(data, assets, turned=viewer.is_file())
    for before, person, after in zip([None, *shown], shown, [*shown[1:], None], strict=False):
        write(person.page, "person.html.j2", person=person, before=before, after=after)
    tables = grids(data)
    folded = [grid for grid in tables if len(grid.rows) > LONG]
    if folded:
        write("people/tables.html", "tables.html.j2", grids=folded)
    write(
        "index.html",
        "index.html.j2",
        people=shown,
        folded=folded,
        **_context(data, assets, tables, benchmarks, paper),
    )
    return out / "index.html"


def _context(
    run: Run, assets: Assets, tables: list[Grid], benchmarks: Path | None, paper: Path | None
) -> dict[str, Any]:
    measured = run.folder / "benchmarks" if benchmarks is None else benchmarks
    spent = costs(measured)
    numbers = read_paper(paper) if paper is not None and paper.is_file() else None
    graph = read_graph(run.folder / "logs")
    return {
        "paper_data": numbers is not None
        and run.dataset in numbers["datasets"]
        and not run.disturbed,
        "headlines": _headlines(run),
        "splits": _splits(run),
        "rejected": run.rejected,
        "sheets": data_sheets(run, assets),
        "pairs": pair_sheet(run, assets),
        "stages": _stages(run, assets),
        "ablations": ablation_shots(run, assets),
        "variant": VARIANT_NAMES.get(run.variants[0], run.variants[0]) if run.variants else "",
        "grids": tables,
        "comparisons": comparisons(run, numbers),
        "graph": None if graph is None else workflow_svg(graph),
        "costs": spent,
        "speeds": []
        if numbers is None or not run.variants
        else speeds(measured, run.variants[0], numbers["speed"]),
        "total_seconds": sum(c.seconds for c in spent),
        "methods": methods(run),
        "provenance": _provenance(run),
        "config": yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True)
        if run.config
        else "",
    }


def _headlines(run: Run) -> list[tuple[str, str, str]]:
    """Label, value and remark of the first numbers a reader looks for."""

    def mean(table: str, key: str, column: str, **where: str) -> float | None:
        for row in run.table(table):
            if (
                row.get("subject", MEAN) == MEAN
                and next(iter(row.values())) == key
                and where.items() <= row.items()
            ):
                try:
                    return float(row.get(column, ""))
                except ValueError:
                    return None
        return None

    if not run.variants:
        return []
    main = run.variants[0]
    standard = {"definition": "standard"}
    found = []
    for label, column, form in (
        ("PSNR", "psnr", "{:.2f} dB"),
        ("SSIM", "ssim", "{:.3f}"),
        ("LPIPS", "lpips", "{:.4f}"),
    ):
        value = mean("nvs", main, column, **standard)
        rival = mean("nvs", "copy_nearest", column, **standard)
        remark = (
            "not available: weights were not given"
            if value is None
            else (
                f"a copy of the photo: {form.format(rival)}"
                if rival is not None
                else "mean over the test subjects"
            )
        )
        found.append((label, "–" if value is None else form.format(value), remark))
    value = mean("geometry", main, "chamfer_cm", alignment="none")
    found.append(
        (
            "Chamfer",
            "–" if value is None else f"{value:.2f} cm",
            "not available" if value is None else "mesh against scan, both directions",
        )
    )
    first = mean("smplx", main, "initial_mpjpe_mm")
    last = mean("smplx", main, "mpjpe_mm")
    found.append(
        (
            "Body error",
            "–" if last is None else f"{last:.1f} mm",
            "not available" if first is None else f"{first:.1f} mm before refinement",
        )
    )
    return found


def _splits(run: Run) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for row in run.scans:
        counts[row.get("split", "")] = counts.get(row.get("split", ""), 0) + 1
    return list(counts.items())


def _stages(run: Run, assets: Assets) -> list[dict[str, Any]]:
    """Curves and validation pictures of each trained network."""
    found = []
    order = list(STAGE_NAMES)
    for name, history in sorted(
        run.histories.items(), key=lambda x: (order.index(x[0]) if x[0] in order else 99, x[0])
    ):
        title = STAGE_NAMES.get(name, name)
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
