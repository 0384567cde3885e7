"""What belongs to the checkout, for runs that work in any other folder: from a container, with
`--directory`, as a module."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
RESOURCES = ROOT / "resources"


def default_config() -> Path:
    """The configuration that others change: `config.yaml` of the working folder, without one that
    of the checkout."""
    return found("config.yaml")


def found(path: str | Path) -> Path:
    """A file as it is named from the working folder; where none is there, the checkout's of that
    name."""
    own = Path(path)
    ours = ROOT / path
    return ours if not own.exists() and ours.exists() else own
