"""The files of one run of head avatars, read for the report. What is absent is None or empty, since
a report must not fail on missing files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hgm.errors import InputError
from hgm.report import run
from hgm.report.run import Subject, read_object
from hgm.systems.monogaussian.variants import VARIANTS

FROZEN = "frozen"  # the protocol of the headline
LIKE_PAPERS = "imavatar"  # the protocol of the release, whose numbers other papers report


@dataclass(frozen=True)
class Run(run.Run):
    """The files of a run of head avatars. A `Subject` is an avatar measured by one protocol, which
    is its name."""

    VARIANTS = tuple(VARIANTS)

    @property
    def standin(self) -> bool:
        """Whether the video is a stand-in's."""
        return self.setting("video", "root") is None

    @cached_property
    def subjects(self) -> list[Subject]:
        """Those of protocols that the configuration asks for."""
        protocols = self.setting("evaluate", "protocols")
        return [s for s in super().subjects if not protocols or s.name in protocols]

    def measured(self, variant: str, protocol: str) -> Subject | None:
        """An avatar as one protocol measured it."""
        return next((s for s in self.of(variant) if s.name == protocol), None)

    @property
    def headline(self) -> str:
        """The protocol of the headline, or the only one that was measured."""
        names = {s.name for s in self.subjects}
        return FROZEN if FROZEN in names or not names else sorted(names)[0]

    @property
    def dataset(self) -> str:
        """The data set of resources/paper/monogaussian.yaml that this run measures: none, since no
        paper says which frames of which subjects its means are over."""
        return "standin" if self.standin else "own"

    @cached_property
    def checks(self) -> dict[str, dict[str, Any]]:
        """What the checks of the tracking found, by clip: those trained on, then the test clip."""
        clips = [*(self.setting("video", "train") or []), self.setting("video", "test")]
        return {name: found for name in clips if (found := read_object(self.check(name, "json")))}

    def check(self, clip: str, kind: str) -> Path:
        """What the check of a clip wrote: kind is json or png."""
        return self.folder / "check" / f"{clip}.{kind}"

    @property
    def asked(self) -> Sequence[str]:
        """The variants that the configuration asks for; all where it says none."""
        return self.setting("evaluate", "variants") or self.VARIANTS

    @cached_property
    def histories(self) -> dict[str, list[dict[str, float]]]:
        """Training curves by variant."""
        found = {}
        for name in self.asked:
            rows = run.read_history(self.folder / "avatar" / name / "history.tsv")
            if rows:
                found[name] = rows
        return found

    def records(self) -> Iterator[tuple[str, Path]]:
        """What the trainings worked with."""
        for name in self.asked:
            yield "head_avatar", self.folder / "avatar" / name / "training.json"

    def film(self, variant: str, driver: str) -> Path | None:
        """A film of an avatar."""
        path = self.folder / "animations" / variant / driver / "rgb.mp4"
        return path if path.is_file() else None

    @property
    def drivers(self) -> list[str]:
        """Names of what avatars were driven by, in the order of the configuration."""
        listed = self.setting("animate", "drivers") or []
        there = sorted({p.parent.name for p in self.folder.glob("animations/*/*/rgb.mp4")})
        return [*(d for d in listed if d in there), *(d for d in there if d not in listed)]

    def learned_tracking(self, variant: str) -> dict[str, np.ndarray]:
        """The training frames' numbers as learned; empty where there are none."""
        from hgm.core.npz import read_npz

        path = self.folder / "avatar" / variant / "tracking.npz"
        try:
            return read_npz(path, what="tracking", advice="") if path.is_file() else {}
        except InputError:
            return {}
