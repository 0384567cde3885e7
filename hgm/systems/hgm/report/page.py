"""The sections of HGM's report: people, each from one photo; the ablation in pictures and numbers;
the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hgm.report import content
from hgm.report.bundle import VIEWER, paper_of
from hgm.report.content import Headline, Report
from hgm.report.page import build_page
from hgm.report.paper import MEAN
from hgm.report.parts import (
    Banner,
    Entry,
    Gallery,
    Note,
    Page,
    Part,
    Section,
    Sheet,
    Strip,
    TextTable,
)
from hgm.report.pictures import Assets
from hgm.systems.hgm.report.gallery import ablation_shots, data_sheets, pair_sheet
from hgm.systems.hgm.report.grids import grids
from hgm.systems.hgm.report.methods import methods
from hgm.systems.hgm.report.names import STAGE_NAMES, VARIANT_NAMES
from hgm.systems.hgm.report.people import people
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.speed import measures

STANDIN = replace(content.STANDIN, title="Stand-in humans, not THuman2.0.")
DISTURBED = Banner(
    "What the first bodies are",
    "Disturbed bodies, no estimator.",
    "The first bodies are the scans' own fits with noise added. The numbers are not comparable "
    "with the paper.",
)
PEOPLE = (
    "Each person was reconstructed from one photo{variant}: a coarse model gives a first back "
    "view, diffusion refines it, and a second model fuses both sides. Here: the photo, and the "
    "reconstruction from the side and from behind. Open a person for comparison with the truth, "
    "errors, and a view to turn."
)
NUMBERS = Markup(
    "Each image metric stands in every definition it could mean. <b>Standard</b>: SSIM with an "
    "11-pixel Gaussian window and range 1, LPIPS on images in [−1, 1], full frame over white. "
    "<b>Released code</b>: MS-SSIM with range 2 under the name SSIM, LPIPS on images in [0, 1]. "
    "<b>Person box</b>: standard, without the white around it. Where published weights are missing "
    "a number is not available; none is made up. The best of a column is bold."
)
DATA = (
    "All views of the first scan of each split: color, mask and, where they were rendered, depth "
    "(near is bright) and normals."
)
SAME_DATA = Markup(
    "This run measures the paper's test scans. A verdict is <i>within tolerance</i>, which is "
    "this project's own, or <i>better</i> or <i>worse</i> outside it. Rows of other methods are "
    "compared where their results were given (docs/baselines.md). A mean leaves out who was set "
    "aside: <i>subjects</i> says on how many of the test people a number stands."
)
DISTURBED_BODIES = (
    "The first bodies of this run are the scans' own fits with noise of the size of the paper's "
    "errors, so no number that follows from them can reach or miss the paper's. Run an estimator "
    "(docs/estimators.md) to compare."
)
OTHER_DATA = (
    "This run does not measure the paper's test scans, so no number of it can reach or miss the "
    "paper's. The columns stand beside each other only to show what would be compared."
)


class HGMReport(Report):
    """The content of the report of a run of HGM."""

    SYSTEM = "hgm"
    KICKER = "Generalizable Human Gaussians from one photo"
    LEAD = (
        "One photo in, a person made of 3D Gaussians out: data, training, reconstruction and "
        "measurement of this run on one page."
    )
    STAGES = STAGE_NAMES
    run: Run

    def __init__(self, run: Run, assets: Assets, *, viewer: bool) -> None:
        super().__init__(run, assets, viewer=viewer)
        self.people = people(run, assets, turning=viewer)

    def banners(self) -> list[Banner]:
        return [
            *([STANDIN] if self.run.standin else []),
            *([DISTURBED] if self.run.disturbed else []),
        ]

    def chips(self) -> list[tuple[int, str]]:
        count = len(self.people)
        return [(count, f"{'person' if count == 1 else 'people'} reconstructed")]

    def headlines(self) -> list[Headline]:
        return _headlines(self.run)

    def hero(self) -> Any:
        """The person shown at the top: the first that the viewer can show, else the first."""
        turned = [one for one in self.people if one.viewer]
        return next(iter([*turned, *self.people]), None)

    def sections(self) -> list[Section]:
        run = self.run
        variant = VARIANT_NAMES.get(run.variants[0], run.variants[0]) if run.variants else ""
        lead = PEOPLE.format(variant=f" ({variant})" if variant else "")
        entries = [
            Entry(
                one.name,
                one.page,
                one.thumb,
                f"Photo of {one.name}, reconstruction from the side and from behind",
                one.psnr,
                "" if one.psnr is None else f"{one.psnr:.2f} dB",
            )
            for one in self.people
        ]
        gallery: list[Part] = [Gallery(entries, "PSNR")] if entries else []
        ablations: list[Part] = [
            Strip(name, shots, f"Variants of {name}", "from the side and from behind")
            for name, shots in ablation_shots(run, self.assets)
        ]
        few = f"; the first {len(ablations)} people" if len(ablations) < len(self.people) else ""
        return [
            Section("people", "People", lead, gallery, "Reconstructions"),
            Section(
                "ablations",
                "Ablation in pictures",
                "The same photo with one part of the method left out at a time, from the side and "
                f"from behind{few}.",
                ablations,
                "Variants",
            ),
            Section("numbers", "Numbers", NUMBERS, grids(run), "Tables"),
            Section("data", "Data", DATA, self._data(), "Rendered views"),
        ]

    def _data(self) -> list[Part]:
        rows = "all views, from top to bottom in color, mask, depth and normals"
        found: list[Part] = [
            Sheet(one.caption, one.picture, f"{one.caption}: {rows}")
            for one in data_sheets(self.run, self.assets)
        ]
        if not found:
            return []
        rejected = self.run.rejected
        aside: Part = (
            TextTable("Set aside", rejected) if rejected else Note("No scan was set aside.")
        )
        return [*found, aside]

    def trained_on(self) -> list[Part]:
        pairs = pair_sheet(self.run, self.assets)
        title = "Pairs for the ControlNet"
        return [Sheet(title, pairs.picture, pairs.caption, pairs.caption)] if pairs else []

    def pages(self) -> Iterable[Page]:
        """One page for each person."""
        shown = self.people
        for before, person, after in zip([None, *shown], shown, [*shown[1:], None], strict=False):
            values = {"person": person, "before": before, "after": after}
            yield Page(person.page, "person.html.j2", values)

    def judged(self, paper: Mapping[str, Any] | None) -> tuple[str, bool]:
        known = paper is not None and self.run.dataset in paper["datasets"]
        if known and not self.run.disturbed:
            return SAME_DATA, True
        return (DISTURBED_BODIES if self.run.disturbed else OTHER_DATA), False

    def speeds(self, benchmarks: Path) -> dict[str, float]:
        return measures(benchmarks, self.run.variants[0]) if self.run.variants else {}

    def methods(self) -> list[str]:
        return methods(self.run)


def build_report(
    run: Path,
    out: Path,
    config: Mapping[str, Any],
    *,
    benchmarks: Path | None = None,
    paper: Path | None = None,
    viewer: Path = VIEWER,
) -> Path:
    """`hgm.report.page.build_page` for a run of HGM.

    run: results/<run>, where `hgm.systems.hgm.report.tables.write_tables` has written the tables.
    config: the resolved configuration. paper: resources/paper/hgm.yaml by default.
    """
    return build_page(
        Run(run, config),
        out,
        HGMReport,
        benchmarks=benchmarks,
        paper=paper_of("hgm") if paper is None else paper,
        viewer=viewer,
    )


def _headlines(run: Run) -> list[Headline]:
    """The metrics of the main variant, means over the test people."""

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
