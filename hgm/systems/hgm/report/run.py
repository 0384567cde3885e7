"""The files of one run, read for the report. What is absent is None or empty, since a report must
not fail on missing files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

from hgm.body.estimators.labels import DISTURBED_BODIES, OTHER_BODIES, first_bodies
from hgm.core.checkout import RESOURCES
from hgm.core.home_paths import with_home
from hgm.errors import InputError
from hgm.report.run import Run as BaseRun
from hgm.report.run import Subject, read_object
from hgm.scans.catalogue import parse_ids
from hgm.systems.hgm.run_folder import HGMFolder
from hgm.systems.hgm.variants import ORDER
from hgm.systems.hgm.variants import VARIANTS as SETTINGS

PAPER_TEST = [f"{i:04d}" for i in range(505, 526)]  # the paper's test scans of THuman2.0
# number of the paper's test scans of CustomHumans, whose names are not published -> data set
PAPER_COUNTS = {45: "customhumans", 10: "customhumans10"}
PAPER_HUMMAN = RESOURCES / "splits" / "humman_sherf_test.txt"


@dataclass(frozen=True)
class Run(BaseRun):
    """The files of a run of HGM."""

    VARIANTS = ORDER

    @property
    def place(self) -> HGMFolder:
        """The paths of the run."""
        return HGMFolder(self.folder)

    @cached_property
    def tested(self) -> list[str]:
        """The test subjects that the configuration names, those set aside included; where the
        configuration cannot be read, the measured ones."""
        try:
            return sorted(parse_ids(with_home(self.config["scans"]["test"])))
        except (InputError, KeyError, TypeError, AttributeError):
            return sorted(s.name for s in self.main)

    @cached_property
    def first_bodies(self) -> dict[str, str]:
        """By variant, what made the first bodies, from the labels in the files of its bodies
        (hgm.body.estimators.labels) or else from the configuration."""
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
        """Whether the first bodies of real scans are their own true fits, disturbed, so that no
        number can be compared with the paper's."""
        return not self.standin and DISTURBED_BODIES in self.first_bodies.values()

    @property
    def dataset(self) -> str:
        """The data set of resources/paper/hgm.yaml whose test people this run measures: exactly the
        paper's, or as many where the paper does not name them. Otherwise a name that matches no
        table of the paper."""
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
        """Measured subjects of other methods by the name of the method, in the order of the
        configuration (evaluate.baselines)."""
        wanted = {s.name for s in self.main}
        found = {}
        for name in self.setting("evaluate", "baselines") or ():
            there = wanted - self.lacking.get(name, {}).keys()
            folders = [self.place.rivals(name) / subject for subject in sorted(there)]
            subjects = [
                Subject(name, f.name, f, metrics)
                for f in folders
                if (metrics := read_object(f / "metrics.json"))
            ]
            if subjects:
                found[name] = subjects
        return found

    @cached_property
    def lacking(self) -> dict[str, dict[str, str]]:
        """By the name of another method, the test subjects that its results lack, and why."""
        found: dict[str, dict[str, str]] = {}
        for name in self.setting("evaluate", "baselines") or ():
            for path in sorted(self.place.rivals(name).glob("*.json")):
                found.setdefault(name, {}).update(read_object(path).get("failed", {}))
        return {name: failed for name, failed in found.items() if failed}

    def records(self) -> Iterator[tuple[str, Path]]:
        """Rules with the files that record the backends of their jobs, in the order of the run. A
        file may be absent."""
        variants = {
            name: SETTINGS[name]
            for name in self.setting("evaluate", "variants") or self.variants
            if name in SETTINGS
        }
        chunks = dict.fromkeys(
            row.get("chunk", "") for row in self.scans if row.get("split") == "test"
        )
        place = self.place
        for rule, trained in (("coarse", place.coarse), ("fusion", place.fusion)):
            for suffix in dict.fromkeys(["", *(v.branch for v in variants.values())]):
                yield rule, trained(suffix) / "training.json"
        yield "normals", place.normals / "training.json"
        yield "pairs", place.pairs / "manifest.json"
        for folder in dict.fromkeys(v.bodies for v in variants.values() if v.refined):
            yield from (("refine", place.bodies(folder) / f"{chunk}.json") for chunk in chunks)
        for rule in ("reconstruct", "mesh", "evaluate"):
            for name in variants:
                yield from (
                    (rule, place.subjects / name / f"{chunk}.{rule}.json") for chunk in chunks
                )


def _source(path: Path | None) -> str:
    """The source that the file of a body records; empty where there is none."""
    import numpy as np

    if path is None:
        return ""
    try:
        with np.load(path) as arrays:
            return str(arrays["source"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return ""
