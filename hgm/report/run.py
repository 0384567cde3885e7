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
from typing import TYPE_CHECKING, Any, ClassVar

from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.report.grids import number

if TYPE_CHECKING:
    from hgm.images.viewpoints import Viewpoints


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


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def read_rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    """The rows of a table; empty where there is none."""
    try:
        with open(path, newline="") as file:
            table = csv.DictReader(file, delimiter=delimiter)
            return [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in table]
    except (OSError, ValueError, csv.Error):
        return []


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a training's history with what each says; empty where there is none."""
    rows = (
        {k: x for k, v in row.items() if (x := number(v)) is not None}
        for row in read_rows(path, "\t")
    )
    return [row for row in rows if "step" in row]


@dataclass(frozen=True)
class Run:
    """One results folder. A system's own `Run` adds what only its runs have."""

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)

    # variants in the order of the page; others follow by name
    VARIANTS: ClassVar[tuple[str, ...]] = ()

    @property
    def place(self) -> RunFolder:
        """What lies where in the folder."""
        return RunFolder(self.folder)

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json."""
        return read_object(self.place.record)

    @cached_property
    def scans(self) -> list[dict[str, str]]:
        return read_rows(self.place.scans, "\t")

    @cached_property
    def rejected(self) -> list[dict[str, str]]:
        return read_rows(self.place.rejected, "\t")

    @cached_property
    def subjects(self) -> list[Subject]:
        """Subject folders with a metrics.json or Gaussians, by variant and name.

        Folders that an earlier configuration left behind do not count: those of scans that are no
        longer in the test split of scans.tsv and of variants that are not asked for.
        """
        tested = {row.get("scan") for row in self.scans if row.get("split") == "test"}
        variants = self.setting("evaluate", "variants")
        found = []
        for folder in sorted(self.place.subjects.glob("*/*/")):
            if (tested and folder.name not in tested) or (
                variants and folder.parent.name not in variants
            ):
                continue
            metrics = read_object(folder / "metrics.json")
            if metrics or (folder / "gaussians.ply").is_file():
                found.append(Subject(folder.parent.name, folder.name, folder, metrics))
        return sorted(found, key=lambda s: (self.order(s.variant), s.name))

    @classmethod
    def order(cls, variant: str) -> tuple[int, str]:
        """What variants are sorted by."""
        known = cls.VARIANTS
        return (known.index(variant) if variant in known else len(known), variant)

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(s.variant for s in self.subjects))

    def of(self, variant: str) -> list[Subject]:
        return [s for s in self.subjects if s.variant == variant]

    @property
    def main(self) -> list[Subject]:
        """Subjects of the first variant there is."""
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

    def setting(self, *keys: str) -> Any:
        """One value of the configuration, None where it is absent."""
        value: Any = self.config
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def table(self, name: str) -> list[dict[str, str]]:
        """Rows of tables/<name>.csv."""
        return read_rows(self.place.tables / f"{name}.csv", ",")

    @cached_property
    def histories(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage: `<stage>/history.tsv`, and `<stage>/history_<part>.tsv` as
        `<stage> <part>`."""
        found = {}
        for path in sorted(self.folder.glob("*/history*.tsv")):
            part = path.stem.removeprefix("history").strip("_")
            if rows := read_history(path):
                found[f"{path.parent.name} {part}".strip()] = rows
        return found

    @cached_property
    def backends(self) -> dict[str, dict[str, list[str]]]:
        """What splatted (`splat`) and what computed sparse convolution (`sparse`): names of
        backends, each with the rules that worked with it, as trainings and manifests of what the
        configuration asks for say."""
        found: dict[str, dict[str, list[str]]] = {}
        for rule, path in self.records():
            said = read_object(path).get("backends")
            for kind, names in said.items() if isinstance(said, Mapping) else ():
                for name in names if isinstance(names, list) else ():
                    rules = found.setdefault(kind, {}).setdefault(str(name), [])
                    if rule not in rules:
                        rules.append(rule)
        return found

    def records(self) -> Iterator[tuple[str, Path]]:
        """Rules, and the files that say what their jobs worked with, in the order of the run; a
        file may be absent."""
        return iter(())
