"""The files of one run as the report reads them. Whatever is absent is None or empty: a report
never fails on a gap."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from hgm.body.estimators.labels import DISTURBED_BODIES, OTHER_BODIES, first_bodies
from hgm.core.checkout import RESOURCES
from hgm.core.home_paths import with_home
from hgm.errors import InputError
from hgm.scans.catalogue import parse_ids
from hgm.systems.hgm.variants import VARIANTS as SETTINGS

if TYPE_CHECKING:
    from hgm.images.viewpoints import Viewpoints

# in the order of the page; others follow
VARIANTS = (
    "full",
    "no_diffusion",
    "one_view",
    "no_refine",
    "no_body",
    "front_only",
    "pymafx",
    "pymafx_front_only",
)
PAPER_TEST = [f"{i:04d}" for i in range(505, 526)]  # THuman2.0 test scans of the paper
# CustomHumans scans of the paper, whose names are not published
PAPER_COUNTS = {45: "customhumans", 10: "customhumans10"}
PAPER_HUMMAN = RESOURCES / "splits" / "humman_sherf_test.txt"


@dataclass(frozen=True)
class Subject:
    """One reconstructed person of one variant."""

    variant: str
    name: str
    folder: Path
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def number(self, *keys: str) -> float | None:
        """A leaf of metrics.json, None where it is absent, null or not finite."""
        value: Any = self.metrics
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

    def file(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.is_file() else None

    @cached_property
    def viewpoints(self) -> Viewpoints | None:
        """Which view is what, from the cameras.json beside the pictures; None where there is none
        of use."""
        from hgm.images.viewpoints import Viewpoints

        try:
            return Viewpoints.read(self.folder)
        except InputError:
            return None

    def view(self, kind: str, index: int) -> Path:
        """`novel_00.png`, `truth_00.png` …"""
        return self.folder / f"{kind}_{index:02d}.png"

    def views(self, kind: str) -> list[Path]:
        """All of them; empty unless every view is there."""
        paths = [self.view(kind, i) for i in range(len(self.viewpoints or ()))]
        return paths if all(p.is_file() for p in paths) else []

    def back(self, kind: str) -> Path | None:
        """The file of the back view."""
        return self.file(self.view(kind, self.viewpoints.back).name) if self.viewpoints else None


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    try:
        with open(path, newline="") as file:
            table = csv.DictReader(file, delimiter=delimiter)
            return [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in table]
    except (OSError, ValueError, csv.Error):
        return []


@dataclass(frozen=True)
class Run:
    """One results folder."""

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json."""
        return _json(self.folder / "run.json")

    @cached_property
    def scans(self) -> list[dict[str, str]]:
        return _rows(self.folder / "scans.tsv", "\t")

    @cached_property
    def rejected(self) -> list[dict[str, str]]:
        return _rows(self.folder / "rejected.tsv", "\t")

    @cached_property
    def subjects(self) -> list[Subject]:
        """Subject folders with a metrics.json or Gaussians, by variant and name.

        Folders that an earlier configuration left behind do not count: those of scans that are no
        longer in the test split of scans.tsv and of variants that are not asked for.
        """
        tested = {row.get("scan") for row in self.scans if row.get("split") == "test"}
        variants = self.setting("evaluate", "variants")
        found = []
        for folder in sorted((self.folder / "subjects").glob("*/*/")):
            if (tested and folder.name not in tested) or (
                variants and folder.parent.name not in variants
            ):
                continue
            metrics = _json(folder / "metrics.json")
            if metrics or (folder / "gaussians.ply").is_file():
                found.append(Subject(folder.parent.name, folder.name, folder, metrics))
        return sorted(found, key=lambda s: (variant_order(s.variant), s.name))

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(s.variant for s in self.subjects))

    def of(self, variant: str) -> list[Subject]:
        return [s for s in self.subjects if s.variant == variant]

    @property
    def main(self) -> list[Subject]:
        """Subjects of `full`, else of the first variant there is."""
        return self.of(self.variants[0]) if self.variants else []

    @property
    def standin(self) -> bool:
        """Whether any number of the run comes from stand-in humans; true as well where nothing says
        what they are."""
        source = self.setting("scans", "source")
        marks = [s.metrics.get("standin") for s in self.subjects]
        return (
            source == "standin"
            or any(m is True for m in marks)
            or (source is None and False not in marks)
        )

    @cached_property
    def tested(self) -> list[str]:
        """Test subjects that the configuration names, those that were set aside too; the measured
        ones where it cannot be read."""
        try:
            return sorted(parse_ids(with_home(self.config["scans"]["test"])))
        except (InputError, KeyError, TypeError, AttributeError):
            return sorted(s.name for s in self.main)

    @cached_property
    def first_bodies(self) -> dict[str, str]:
        """What made the first bodies of each variant, as its bodies say
        (hgm.body.estimators.labels); where they say nothing, what the configuration says."""
        configured = (
            DISTURBED_BODIES
            if self.setting("estimate", "source") == DISTURBED_BODIES
            else OTHER_BODIES
        )
        said = {
            name: {label for s in self.of(name) if (label := _source(s.file("smplx.npz")))}
            for name in self.variants
        }
        return {
            name: first_bodies(labels) if labels else configured for name, labels in said.items()
        }

    @property
    def disturbed(self) -> bool:
        """Whether real scans start from their own fits disturbed, so that no number compares with
        one of the paper."""
        return not self.standin and DISTURBED_BODIES in self.first_bodies.values()

    @property
    def dataset(self) -> str:
        """A data set of resources/paper.yaml where the run was to measure exactly the paper's test
        people, or as many where they are not named; else a name that matches no table of the
        paper."""
        if self.standin:
            return "standin"
        source = str(self.setting("scans", "test_source") or self.setting("scans", "source"))
        names = self.tested
        if source == "customhumans" and len(names) in PAPER_COUNTS:
            return PAPER_COUNTS[len(names)]
        sequences = sorted({"_".join(name.split("_")[:2]) for name in names})
        if (source == "thuman2" and names == PAPER_TEST) or (
            source == "humman" and sequences == sorted(PAPER_HUMMAN.read_text().split())
        ):
            return source
        return f"{source}, other people"

    @cached_property
    def rivals(self) -> dict[str, list[Subject]]:
        """Measured subjects of other methods by their names, in the order of the configuration
        (evaluate.baselines)."""
        wanted = {s.name for s in self.main}
        found = {}
        for name in self.setting("evaluate", "baselines") or ():
            there = wanted - self.lacking.get(name, {}).keys()
            folders = [self.folder / "baselines" / name / subject for subject in sorted(there)]
            subjects = [
                Subject(name, f.name, f, metrics)
                for f in folders
                if (metrics := _json(f / "metrics.json"))
            ]
            if subjects:
                found[name] = subjects
        return found

    @cached_property
    def lacking(self) -> dict[str, dict[str, str]]:
        """Test subjects that another method's results lack, and why, by the method's name."""
        found: dict[str, dict[str, str]] = {}
        for name in self.setting("evaluate", "baselines") or ():
            for path in sorted((self.folder / "baselines" / name).glob("*.json")):
                found.setdefault(name, {}).update(_json(path).get("failed", {}))
        return {name: failed for name, failed in found.items() if failed}

    def setting(self, *keys: str) -> Any:
        """One value of the configuration, None where it is absent."""
        value: Any = self.config
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of tables/<name>.csv."""
        return _rows(self.folder / "tables" / f"{name}.csv", ",")

    @cached_property
    def histories(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage: `<stage>/history.tsv`, and `<stage>/history_<part>.tsv` as
        `<stage> <part>`."""
        found = {}
        for path in sorted(self.folder.glob("*/history*.tsv")):
            part = path.stem.removeprefix("history").strip("_")
            rows = [
                {k: x for k, v in row.items() if (x := _number(v)) is not None}
                for row in _rows(path, "\t")
            ]
            if any("step" in row for row in rows):
                found[f"{path.parent.name} {part}".strip()] = [row for row in rows if "step" in row]
        return found

    @cached_property
    def backends(self) -> dict[str, dict[str, list[str]]]:
        """What splatted (`splat`) and what computed sparse convolution (`sparse`): names of
        backends, each with the rules that worked with it, as trainings and manifests of what the
        configuration asks for say."""
        found: dict[str, dict[str, list[str]]] = {}
        for rule, path in self._records():
            said = _json(path).get("backends")
            for kind, names in said.items() if isinstance(said, Mapping) else ():
                for name in names if isinstance(names, list) else ():
                    rules = found.setdefault(kind, {}).setdefault(str(name), [])
                    if rule not in rules:
                        rules.append(rule)
        return found

    def _records(self) -> Iterator[tuple[str, Path]]:
        """Rules, and the files that say what their jobs worked with, in the order of the run; a
        file may be absent."""
        variants = {
            name: SETTINGS[name]
            for name in self.setting("evaluate", "variants") or self.variants
            if name in SETTINGS
        }
        chunks = dict.fromkeys(
            row.get("chunk", "") for row in self.scans if row.get("split") == "test"
        )
        for rule in ("coarse", "fusion"):
            for suffix in dict.fromkeys(["", *(v.networks for v in variants.values())]):
                yield rule, self.folder / f"{rule}{suffix}" / "training.json"
        yield "normals", self.folder / "normals" / "training.json"
        yield "pairs", self.folder / "pairs" / "manifest.json"
        for folder in dict.fromkeys(v.bodies for v in variants.values() if v.refined):
            yield from (
                ("refine", self.folder / "bodies" / folder / f"{chunk}.json") for chunk in chunks
            )
        for rule in ("reconstruct", "mesh", "evaluate"):
            for name in variants:
                yield from (
                    (rule, self.folder / "subjects" / name / f"{chunk}.{rule}.json")
                    for chunk in chunks
                )


def _source(path: Path | None) -> str:
    """What a body's file says of where it comes from; empty where there is none."""
    import numpy as np

    if path is None:
        return ""
    try:
        with np.load(path) as arrays:
            return str(arrays["source"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def variant_order(name: str) -> tuple[int, str]:
    return (VARIANTS.index(name) if name in VARIANTS else len(VARIANTS), name)
