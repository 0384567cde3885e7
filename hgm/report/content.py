"""What a system gives to the page of a run. The page adds what all systems share: training curves,
the comparison with the paper, the workflow, its cost, and where everything comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from hgm.report.parts import Banner, Page, Part, Section
from hgm.report.pictures import Assets
from hgm.report.run import Run

# label, value, remark
Headline = tuple[str, str, str]
STANDIN = Banner(
    "What the people are",
    "Stand-in humans, no real data.",
    "Every person below was made by this workflow. The numbers are not comparable with the paper.",
)


class Report:
    """The content of one run's page; a system overrides what it has.

    assets: where pictures and films of the page go. viewer: whether the interactive view is there.
    """

    SYSTEM: ClassVar[str]
    KICKER: ClassVar[str] = ""  # above the title
    LEAD: ClassVar[str] = ""  # what the system does, in a sentence
    STAGES: ClassVar[Mapping[str, str]] = {}  # titles of trainings, in their order

    def __init__(self, run: Run, assets: Assets, *, viewer: bool) -> None:
        self.run = run
        self.assets = assets
        self.viewer = viewer

    def banners(self) -> list[Banner]:
        """What has to be said before anything else."""
        return [STANDIN] if self.run.standin else []

    def chips(self) -> list[tuple[int, str]]:
        """Counts under the title: how many of what."""
        return []

    def headlines(self) -> list[Headline]:
        """The first numbers that a reader looks for."""
        return []

    def hero(self) -> Any:
        """What the system's template `hero.html.j2` shows beside the title; None for nothing."""
        return None

    def sections(self) -> list[Section]:
        """The chapters of the system, in their order."""
        return []

    def trained_on(self) -> list[Part]:
        """What the training section shows below the curves."""
        return []

    def pages(self) -> Iterable[Page]:
        """Pages beside the index."""
        return ()

    def judged(self, paper: Mapping[str, Any] | None) -> tuple[str, bool]:
        """What is said above the comparison with the paper, and whether the run measures the
        paper's data."""
        return (
            "This run does not measure the paper's test data, so no number of it can reach or miss "
            "the paper's. The columns stand beside each other only to show what would be compared.",
            False,
        )

    def speeds(self, benchmarks: Path) -> dict[str, float]:
        """Medians of what the paper says of time, by its keys (`hgm.report.speed`)."""
        return {}

    def methods(self) -> list[str]:
        """What was done, in paragraphs."""
        return []
