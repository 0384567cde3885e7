"""The files of one run of PoseGaussian, read for the report. What is absent is None or empty, since
a report must not fail on missing files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.report import run
from hgm.report.run import Subject, read_history, read_object
from hgm.systems.posegaussian import parts
from hgm.systems.posegaussian.layout import PairFiles
from hgm.systems.posegaussian.pair import RectifiedPair, heat_file
from hgm.systems.posegaussian.parts import CAPTURE, HARD, chunk_of, folder_of, spaced, subject_in
from hgm.systems.posegaussian.results import METRICS, results_of
from hgm.systems.posegaussian.variants import VARIANTS, variant_of

PLAIN = "plain"  # the condition of a pair whose name has none
STAGES = ("depth", "gaussian_maps")


@dataclass(frozen=True)
class Run(run.Run):
    """The files of a run of PoseGaussian. A `Subject` is a pair by one variant, measured or of a
    real rig.

    Which pairs there are is said by the manifests of those that are `measured`,
    `evaluations/<variant>/<part>.json`, and `shown`, `novel_views/<variant>/<part>.json`: folders
    of others may be left from earlier configurations.
    """

    measured: Sequence[Path] = ()
    shown: Sequence[Path] = ()
    checks: Sequence[Path] = ()  # checks.json of their rectification

    VARIANTS = tuple(VARIANTS)

    @cached_property
    def subjects(self) -> list[Subject]:
        """Pairs of test scans that are measured."""
        return [s for s in self._listed(self.measured) if s.metrics]

    @cached_property
    def captured(self) -> list[Subject]:
        """Photos of a real rig, by the first variant that shows some."""
        found = self._listed([path for path in self.shown if path.stem == CAPTURE])
        return [s for s in found if s.variant == found[0].variant]

    def _listed(self, manifests: Sequence[Path]) -> list[Subject]:
        """The pairs that manifests name, the variants as they stand there, each by name."""
        found = []
        for manifest in manifests:
            variant = manifest.parent.name
            folder = results_of(self.place, variant, manifest.stem)
            found += [
                Subject(variant, name, folder / name, read_object(folder / name / METRICS))
                for name in read_object(manifest).get("members", ())
            ]
        variants = list(dict.fromkeys(s.variant for s in found))
        return sorted(found, key=lambda s: (variants.index(s.variant), s.name))

    @cached_property
    def _parts(self) -> dict[str, str]:
        """The parts of the measured pairs, by name."""
        return {
            name: manifest.stem
            for manifest in self.measured
            for name in read_object(manifest).get("members", ())
        }

    @property
    def standin(self) -> bool:
        """Whether the pairs are of stand-ins; who is in given ones is not known."""
        return self.setting("pairs", "root") is None and super().standin

    @cached_property
    def asked(self) -> list[str]:
        """The conditions that the configuration asks for."""
        spacings = [spaced(degrees) for degrees in self.setting("evaluate", "spacings") or []]
        hard = [HARD] if self.setting("evaluate", "hard") else []
        return [PLAIN, *spacings, *hard]

    def title(self, variant: str) -> str:
        """What a variant is, with the release's faults where they are asked for."""
        return variant_of(variant, self.setting("compat") or "repaired").title

    def rectified(self, subject: Subject) -> RectifiedPair | None:
        """The rectified pair of a subject."""
        if self.is_captured(subject):
            path = self.folder / CAPTURE / f"{subject.name}.npz"
        else:
            path = self.folder / "rectified" / self._parts[subject.name] / f"{subject.name}.npz"
        try:
            return RectifiedPair.load(path, heat=self.heat and heat_file(path).is_file())
        except InputError:
            return None

    @property
    def heat(self) -> bool:
        """Whether any variant sees heat maps."""
        return any(variant_of(name).heat for name in self.trained)

    def is_captured(self, subject: Subject) -> bool:
        """Whether a subject is of a real rig."""
        return subject.folder.parent == results_of(self.place, subject.variant, CAPTURE)

    def true_view(self, subject: Subject, view: int) -> Path | None:
        """What a camera between the two of a measured pair really sees."""
        root = self.folder / "render_data" / folder_of(self._parts[subject.name])
        path = PairFiles(root, subject.name).large_image(view)
        return path if path.is_file() else None

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

    @property
    def trained(self) -> list[str]:
        """The variants that the configuration asks for."""
        found: Any = self.setting("evaluate", "variants")
        return list(found or self.VARIANTS)

    @cached_property
    def histories(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage and variant."""
        found = {}
        for stage in STAGES:
            for name in self.trained:
                if rows := read_history(self.folder / stage / name / "history.tsv"):
                    found[f"{stage} {name}"] = rows
        return found

    def records(self) -> Iterator[tuple[str, Path]]:
        """What trainings, pictures and measurements worked with."""
        for stage in STAGES:
            for name in self.trained:
                yield stage, self.folder / stage / name / "training.json"
        for rule, manifests in (("novel_views", self.shown), ("stereo_evaluate", self.measured)):
            for path in manifests:
                yield rule, path


def scan_of(subject: Subject) -> str:
    """`0505-d45_003` -> `0505`."""
    return chunk_of(subject_in(subject.name))


def condition_of(subject: Subject) -> str:
    """`0505-d45_003` -> `d45`; PLAIN where the name has none."""
    return parts.condition_of(subject_in(subject.name)) or PLAIN


def number_of(name: str) -> int:
    """`0505-d45_003` -> 3."""
    return int(name.rsplit("_", 1)[1])
