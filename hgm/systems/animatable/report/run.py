"""The files of one run of avatars, read for the report. What is absent is None or empty, since a
report must not fail on missing files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.report import run
from hgm.report.run import Subject, read_object
from hgm.systems.animatable.splits import SPLITS
from hgm.systems.animatable.variants import VARIANTS

STAGES = ("pretrain", "avatar")
KINDS = {"train": "frames to train on", "test": "held-out frames"}


@dataclass(frozen=True)
class Run(run.Run):
    """The files of a run of avatars. A `Subject` is an avatar measured on one split, which is its
    name."""

    VARIANTS = tuple(VARIANTS)

    @property
    def standin(self) -> bool:
        """Whether the capture is a stand-in's."""
        return self.setting("capture", "root") is None

    @cached_property
    def subjects(self) -> list[Subject]:
        """Those of the splits that there are, in their order."""
        order = {name: i for i, name in enumerate(SPLITS)}
        found = [s for s in super().subjects if s.name in order]
        return sorted(found, key=lambda s: (self.order(s.variant), order[s.name]))

    def measured(self, variant: str, split: str) -> Subject | None:
        """An avatar as it was measured on one split."""
        return next((s for s in self.of(variant) if s.name == split), None)

    @property
    def splits(self) -> list[str]:
        """The splits that were measured."""
        return [name for name in SPLITS if any(s.name == name for s in self.subjects)]

    @property
    def dataset(self) -> str:
        """The data set of resources/paper/animatable.yaml that this run measures: none, since each
        of its rows is of a protocol that needs one certain subject and camera."""
        return "standin" if self.standin else "own"

    @property
    def asked(self) -> Sequence[str]:
        """The variants that the configuration asks for; all where it says none."""
        return self.setting("evaluate", "variants") or self.VARIANTS

    @cached_property
    def checks(self) -> dict[str, dict[str, Any]]:
        """What the checks of the capture found, by what they looked at."""
        return {kind: found for kind in KINDS if (found := read_object(self.check(kind, "json")))}

    def check(self, kind: str, suffix: str) -> Path:
        """What a check wrote: suffix is json or png."""
        return self.folder / "check" / f"{kind}.{suffix}"

    @cached_property
    def histories(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by stage and variant."""
        found = {}
        for name in self.asked:
            for stage in STAGES:
                rows = run.read_history(self.folder / stage / name / "history.tsv")
                if rows:
                    found[f"{stage} {name}"] = rows
        return found

    def records(self) -> Iterator[tuple[str, Path]]:
        """What the trainings worked with."""
        for name in self.asked:
            for stage in STAGES:
                yield stage, self.folder / stage / name / "training.json"

    @property
    def loss(self) -> dict[str, Any]:
        """What the training of the first avatar says of itself."""
        found = (read_object(path) for stage, path in self.records() if stage == "avatar")
        return next((record for record in found if record), {})

    def animation(self, variant: str, motion: str) -> Path:
        """The folder of a film."""
        return self.folder / "animations" / variant / motion

    def film(self, variant: str, motion: str) -> Path | None:
        path = self.animation(variant, motion) / "rgb.mp4"
        return path if path.is_file() else None

    def filmed(self, variant: str, motion: str) -> dict[str, Any]:
        """What is said of a film."""
        return read_object(self.animation(variant, motion) / "film.json")

    @property
    def motions(self) -> list[str]:
        """Names of what avatars were driven by, in the order of the configuration."""
        listed = self.setting("animate", "motions") or []
        there = sorted({p.parent.name for p in self.folder.glob("animations/*/*/rgb.mp4")})
        return [*(m for m in listed if m in there), *(m for m in there if m not in listed)]
