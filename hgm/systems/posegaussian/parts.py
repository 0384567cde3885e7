"""What a part of the pairs is called, and what is called after it: a chunk of scans (`test000`), or
one in a condition (`test000-d45`: cameras 45 degrees apart; `test000-hard`: hard poses)."""

from __future__ import annotations

HARD = "hard"


def condition_of(part: str) -> str:
    """`test000-d45` -> `d45`; empty for a plain chunk."""
    return part.partition("-")[2]


def folder_of(part: str) -> str:
    """The folder of its split in render_data: `test000-d45` -> `test-d45`."""
    chunk, dash, condition = part.partition("-")
    return f"{chunk.rstrip('0123456789')}{dash}{condition}"


def subject_of(scan: str, part: str) -> str:
    """What the pairs of a scan are named after: `0505`, `0505-d45`."""
    _, dash, condition = part.partition("-")
    return f"{scan}{dash}{condition}"
