"""What a part of the pairs is called, and what is called after it: a chunk of scans (`test000`), or
one in a condition (`test000-d45`: cameras 45 degrees apart; `test000-hard`: hard poses)."""

from __future__ import annotations

from pathlib import Path

HARD = "hard"
CAPTURE = "capture"  # the photos of a real rig, where a part is asked for


def part_of(chunk: str, condition: str) -> str:
    """`test000`, `d45` -> `test000-d45`."""
    return f"{chunk}-{condition}"


def chunk_of(part: str) -> str:
    """`test000-d45` -> `test000`."""
    return part.partition("-")[0]


def condition_of(part: str) -> str:
    """`test000-d45` -> `d45`; empty for a plain chunk."""
    return part.partition("-")[2]


def spaced(degrees: float) -> str:
    """The condition of cameras so many degrees apart: `d45`."""
    return f"d{degrees:g}"


def degrees_of(condition: str) -> float | None:
    """`d45` -> 45; None for a condition that is no angle."""
    return None if condition in ("", HARD) else float(condition[1:])


def folder_of(part: str) -> str:
    """The folder of its split in render_data: `test000-d45` -> `test-d45`."""
    return chunk_of(part).rstrip("0123456789") + part.removeprefix(chunk_of(part))


def given_folder(root: Path, part: str) -> Path:
    """The same among pairs of somebody else. Test scans may be in `val`, since GPS-Gaussian's data
    has no `test`."""
    own, val = root / folder_of(part), root / "val"
    return val if folder_of(part) == "test" and val.is_dir() and not own.is_dir() else own


def heat_folder(folder: str | None, root: str | None, part: str) -> Path | None:
    """Where a user's heat maps or detections of a part are, a folder for each pair: in
    heatmaps.folder, else beside the photos in pairs.root. None where there is neither."""
    if folder is not None:
        return Path(folder)
    return None if root is None else given_folder(Path(root), part) / "heatmap"


def subject_of(scan: str, part: str) -> str:
    """What the pairs of a scan are named after: `0505`, `0505-d45`."""
    return scan + part.removeprefix(chunk_of(part))


def subject_in(pair: str) -> str:
    """The same of a pair's name: `0505-d45_003` -> `0505-d45`, of which `chunk_of` is the scan."""
    return pair.rsplit("_", 1)[0]
