"""The files of one run of PoseGaussian, read for the report. What is absent is None or empty, since
a report must not fail on missing files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hgm.errors import InputError
from hgm.report import run
from hgm.report.run import Subject, read_history, read_object
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.variants import VARIANTS

PLAIN = "plain"  # the condition of a pair whose name has none
STAGES = ("depth", "gaussian_maps")


@dataclass(frozen=True)
class Run(run.Run):
    """The files of a run of PoseGaussian. A `Subject` is a pair by one variant, measured or of a
    real rig."""

    VARIANTS = tuple(VARIANTS)

    @cached_property
    def subjects(self) -> list[Subject]:
        """Pairs of test scans that are measured, by variant and name."""
        tested = {row.get("scan") for row in self.scans if row.get("split") == "test"}
        return [
            s
            for s in self.shown
            if s.metrics and (not tested or scan_of(s) in tested) and condition_of(s) in self.asked
        ]

    @cached_property
    def shown(self) -> list[Subject]:
        """All pairs of variants that the configuration asks for, photos of a real rig included."""
        variants = self.setting("evaluate", "variants")
        found = [
            Subject(p.parent.name, p.name, p, read_object(p / "metrics.json"))
            for p in sorted(self.place.subjects.glob("*/*/"))
            if (not variants or p.parent.name in variants) and (p / "gaussians.ply").is_file()
        ]
        return sorted(found, key=lambda s: (self.order(s.variant), s.name))

    @cached_property
    def asked(self) -> list[str]:
        """The conditions that the configuration asks for."""
        spacings = [f"d{degrees:g}" for degrees in self.setting("evaluate", "spacings") or []]
        hard = ["hard"] if self.setting("evaluate", "hard") else []
        return [PLAIN, *spacings, *hard]

    @property
    def captured(self) -> list[Subject]:
        """Photos of a real rig, by the first variant."""
        frames = {p.stem for p in self.folder.glob("capture/*.npz")}
        first = self.shown[0].variant if self.shown else None
        return [s for s in self.shown if s.name in frames and s.variant == first]

    def pair(self, subject: Subject) -> RectifiedPair | None:
        """The rectified pair of a subject."""
        places = (*self.folder.glob(f"rectified/*/{subject.name}.npz"),)
        own = self.folder / "capture" / f"{subject.name}.npz"
        for path in (*places, own):
            try:
                return RectifiedPair.load(path)
            except InputError:
                continue
        return None

    def true_view(self, subject: Subject, view: int) -> Path | None:
        """What a camera between the two really sees."""
        found = self.folder.glob(f"render_data/test*/img/{subject.name}/{view}_hr.jpg")
        return next(iter(sorted(found)), None)

    @property
    def degrees(self) -> float | None:
        """The angle between the cameras that the networks were trained at."""
        value = self.setting("pairs", "degrees")
        return float(value) if isinstance(value, int | float) else None

    @property
    def dataset(self) -> str:
        """The data set of resources/paper/posegaussian.yaml that this run measures."""
        source = self.setting("scans", "test_source") or self.setting("scans", "source")
        if source == "thuman2" and self.degrees == 45:
            return "thuman2_45"
        return "standin" if self.standin else "own"

    @cached_property
    def histories(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage and variant."""
        found = {}
        for stage in STAGES:
            for name in self.setting("evaluate", "variants") or self.VARIANTS:
                if rows := read_history(self.folder / stage / name / "history.tsv"):
                    found[f"{stage} {name}"] = rows
        return found

    def records(self) -> Iterator[tuple[str, Path]]:
        """What the trainings worked with."""
        for stage in STAGES:
            for name in self.setting("evaluate", "variants") or self.VARIANTS:
                yield stage, self.folder / stage / name / "training.json"


def scan_of(subject: Subject) -> str:
    """`0505-d45_003` -> `0505`."""
    return subject.name.rsplit("_", 1)[0].partition("-")[0]


def condition_of(subject: Subject) -> str:
    """`0505-d45_003` -> `d45`; PLAIN where the name has none."""
    return subject.name.rsplit("_", 1)[0].partition("-")[2] or PLAIN
