"""What PoseGaussian's rules need to know about a configuration, as plain values; it imports no
heavy package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.scans.catalogue import parse_ids
from hgm.systems.posegaussian import requests
from hgm.systems.posegaussian.parts import (
    CAPTURE,
    HARD,
    chunk_of,
    condition_of,
    degrees_of,
    given_folder,
    heat_folder,
    part_of,
    spaced,
    subject_of,
)
from hgm.systems.posegaussian.work import seconds_of
from hgm.workflow.cards import CARDS
from hgm.workflow.jobs import job_of
from hgm.workflow.people import PeoplePlan
from hgm.workflow.plan import check_pattern

PAIR_KINDS = ("img", "mask", "depth", "parm")  # folders of the layout that pairs are read from
RIG_KINDS = (("img", ".jpg"), ("mask", ".png"), ("parm", "_*.npy"))  # and the ends of their files
NUMBER = "[0-9][0-9][0-9]"  # of a pair


class Plan(PeoplePlan):
    """The plan of a run of PoseGaussian.

    Its jobs work on parts: a chunk of scans (`test000`), or the test scans of a chunk in a
    condition (`test000-d45`: cameras 45 degrees apart; `test000-hard`: hard poses).
    """

    ON_DEVICE = requests.ON_DEVICE

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        for section, key in (("pairs", "root"), ("heatmaps", "folder"), ("capture", "root")):
            if self.config[section][key] is not None:
                check_pattern(f"{section}.{key}", self.config[section][key])
        test = {entry.scan for entry in self.entries if entry.split == "test"}
        if unknown := [scan for scan in self.hard_scans if scan not in test]:
            raise InputError(f"evaluate.hard: {unknown[0]} is not among the test scans, scans.test")

    @property
    def standin(self) -> bool:
        """Whether the people are stand-ins; who is in given pairs is not known here."""
        return super().standin and self.config["pairs"]["root"] is None

    @cached_property
    def hard_scans(self) -> list[str]:
        """The test scans that count as hard."""
        return parse_ids(self.config["evaluate"]["hard"], "evaluate.hard")

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(self.config["evaluate"]["variants"]))

    @property
    def main_variant(self) -> str:
        """The variant that the report presents; the baselines are measured with it."""
        return self.variants[0]

    @property
    def conditions(self) -> list[str]:
        """In what else the test scans are measured."""
        spacings = [spaced(degrees) for degrees in self.config["evaluate"]["spacings"]]
        return [*spacings, *([HARD] if self.hard_scans else [])]

    @cached_property
    def test_parts(self) -> list[str]:
        """The test scans, plain and in all conditions."""
        found = list(self.test_chunks)
        for condition in self.conditions:
            parts = (part_of(chunk, condition) for chunk in self.test_chunks)
            found += [part for part in parts if self.scans_of(part)]
        return found

    @property
    def measured(self) -> list[str]:
        """What is shown: the test parts and the photos of a real rig."""
        return [*self.test_parts, *([CAPTURE] if self.captures else [])]

    @property
    def rectified(self) -> list[str]:
        """Where the rectified pairs are of what is shown."""
        own = [CAPTURE] if self.captures else []
        return [*(f"rectified/{part}" for part in self.test_parts), *own]

    @property
    def captures(self) -> bool:
        """Whether there are photos of a real rig."""
        return self.config["capture"]["root"] is not None

    def scans_of(self, part: str) -> list[str]:
        """The scans of a part."""
        scans = self.members(chunk_of(part))
        hard = condition_of(part) == HARD
        return [scan for scan in scans if scan in self.hard_scans] if hard else scans

    def pairs_of(self, part: str) -> list[str]:
        """The names of a part's pairs; none of photos, whose frames are not known before."""
        if part == CAPTURE:
            return []
        numbers = range(self.pairs_per_scan(part))
        return [
            f"{subject_of(scan, part)}_{i:03d}" for scan in self.scans_of(part) for i in numbers
        ]

    def sighting(self, part: str) -> dict[str, Any]:
        """Section `pairs` as it is for a part, with its own angle."""
        degrees = degrees_of(condition_of(part))
        own = {} if degrees is None else {"degrees": degrees}
        return {**self.config["pairs"], **own}

    def pairs_per_scan(self, part: str) -> int:
        """Pairs of each scan of a part; in a condition the first ones of all."""
        every = self.config["pairs"]["per_scan"]
        some = self.config["evaluate"]["pairs"] if condition_of(part) else None
        return int(every if some is None else some)

    def people(self, rule: str, wildcards: Mapping[str, str]) -> Sequence[str]:
        """The scans whose views a job renders, the pairs that another one works on, the scans of a
        chunk."""
        part = part_in(wildcards)
        if part is None:
            return super().people(rule, wildcards)
        return self.scans_of(part) if rule == "stereo_views" else self.pairs_of(part)

    def count_pairs(self, split: str) -> int:
        """Pairs of a split's scans, without conditions."""
        return self.count(split) * int(self.config["pairs"]["per_scan"])

    def pair_files(self, part: str) -> list[str]:
        """The files of the pairs that somebody else rendered of a part's scans, but heat maps."""
        root = self.config["pairs"]["root"]
        if root is None:
            return []
        folder, scans = given_folder(Path(root), part), self.scans_of(part)
        return self._files(folder, (f"{k}/{s}_{NUMBER}/*" for k in PAIR_KINDS for s in scans))

    def heat_place(self, part: str) -> dict[str, Any]:
        """Where the photos are that heat maps of a part, or of a real rig, belong to."""
        if part != CAPTURE:
            return {"root": self.config["pairs"]["root"]}
        return {**self.config["capture"], "size": self.config["pairs"]["size"]}

    def heat_files(self, part: str) -> list[str]:
        """The pictures of joints, or the detections, that a user brings for a part, or for a real
        rig."""
        if part == CAPTURE:
            return self._capture_heat_files()
        section = self.config["heatmaps"]
        folder = heat_folder(section["folder"], self.config["pairs"]["root"], part)
        if section["source"] == "fits" or folder is None:
            return []
        names = (subject_of(scan, part) for scan in self.scans_of(part))
        return self._files(folder, (f"{name}_{NUMBER}/*.*" for name in names))

    def capture_files(self) -> list[str]:
        """The files of a real rig's two cameras, but heat maps."""
        section = self.config["capture"]
        patterns = (f"{k}/*/{c}{ends}" for c in section["cameras"] for k, ends in RIG_KINDS)
        return self._files(Path(section["root"]), patterns)

    def _capture_heat_files(self) -> list[str]:
        section, capture = self.config["heatmaps"], self.config["capture"]
        folder = None if section["source"] == "fits" else section["folder"]
        root = Path(capture["root"]) / "heatmap" if folder is None else Path(folder)
        return self._files(root, (f"*/{camera}.*" for camera in capture["cameras"]))

    def _files(self, folder: Path, patterns: Iterable[str]) -> list[str]:
        found = (file for pattern in patterns for file in folder.glob(pattern))
        return self.users(sorted(str(file) for file in found if file.is_file()))

    def gpus(self, rule: str) -> int:
        """One GPU for what works on the device, unless the configuration says cpu."""
        if rule == "stereo_views":
            return int(self.config["pairs"]["device"] != "cpu")
        return int(rule in self.ON_DEVICE and self.config["device"] != "cpu")

    def threads(self, rule: str) -> int:
        """Threads of a job."""
        return 1

    def minutes(self, rule: str, wildcards: Mapping[str, str]) -> int:
        """Minutes that a job requests at its first attempt, by the forecast of its work."""
        job = job_of(self, rule, "/".join([rule, *wildcards.values()]), wildcards)
        slow = CARDS["l40s" if self.config["device"].startswith("cuda") else "cpu"]
        return requests.minutes(seconds_of(job, self, slow).high)

    @property
    def frames(self) -> int:
        """Frames of a real rig that there are now."""
        root = self.config["capture"]["root"]
        return 0 if root is None else sum(p.is_dir() for p in Path(root).glob("img/*"))

    def memory(self, rule: str) -> int:
        """Megabytes of host memory of a job."""
        return requests.memory_mb(
            self.config, rule, self.count_pairs("train") + self.count_pairs("val")
        )


def part_in(wildcards: Mapping[str, str]) -> str | None:
    """The part that a job works on, if it works on one."""
    return wildcards.get("part", wildcards.get("shots"))
