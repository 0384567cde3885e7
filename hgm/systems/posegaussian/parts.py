"""The parts into which the pairs of a run are divided: chunks of scans, and chunks of test scans
under another condition."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hgm.errors import InputError

HARD = "hard"  # the condition of persons whose arms hide the body
PART = re.compile(rf"((train|val|test)\d{{3}})(?:-({HARD}|d[\d.]+))?")


@dataclass(frozen=True)
class Part:
    """`test000`, or with a condition `test000-d45`, cameras 45 degrees apart, or `test000-hard`."""

    chunk: str
    condition: str = ""

    @classmethod
    def of(cls, name: str) -> Part:
        """By its name. Raises InputError for another name."""
        match = PART.fullmatch(name)
        if match is None:
            raise InputError(
                f"{name}: not a part of the pairs; expected for example test000 or test000-d45"
            )
        return cls(match[1], match[3] or "")

    @property
    def folder(self) -> str:
        """Its folder in render_data: `test`, `test-d45`."""
        return self._with(self.chunk.rstrip("0123456789"))

    @property
    def degrees(self) -> float | None:
        """The angle between the cameras, where it is another one than pairs.degrees."""
        return float(self.condition[1:]) if self.condition.startswith("d") else None

    def subject(self, scan: str) -> str:
        """What the pairs of a scan are named after: `0505`, `0505-d45`."""
        return self._with(scan)

    def _with(self, name: str) -> str:
        return f"{name}-{self.condition}" if self.condition else name


def condition_of(degrees: float) -> str:
    """45.0 -> `d45`."""
    return f"d{degrees:g}"
