"""What a check found, and the table of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["intact", "present", "missing", "damaged", "not needed"]
FAULTS = ("missing", "damaged")
COLUMNS = ("asset", "needed by", "state", "next step")
NEEDED_WIDTH = 30  # characters of the second column
FIRST = 3  # examples named in a summary


@dataclass(frozen=True)
class Finding:
    """The state of one checked thing. `intact`: all that can be checked is right, a published hash
    included; `present`: it exists, with the right names and file headers; for `missing` and
    `damaged`, `note` says what is wrong and what to do."""

    title: str
    state: State
    note: str = ""
    rules: tuple[str, ...] = ()

    @property
    def fault(self) -> bool:
        return self.state in FAULTS


def first_few(items: Sequence[str]) -> str:
    """`(0001, 0002, 0003, …)`."""
    return f"({', '.join(items[:FIRST])}{', …' if len(items) > FIRST else ''})"


def table(findings: Iterable[Finding]) -> str:
    """Aligned columns, one line a finding."""
    rows = [
        COLUMNS,
        *((f.title, _short(f.rules), f.state, " ".join(f.note.split()) or "-") for f in findings),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]
        )
        for row in rows
    ]
    return (
        "\n".join(
            [
                lines[0],
                "  ".join([*("-" * width for width in widths), "-" * len(COLUMNS[3])]),
                *lines[1:],
            ]
        )
        + "\n"
    )


def _short(rules: Sequence[str]) -> str:
    text = ", ".join(rules)
    while len(text) > NEEDED_WIDTH and len(rules) > 1:
        rules = rules[:-1]
        text = ", ".join(rules) + ", …"
    return text or "-"
