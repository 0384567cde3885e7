"""Files of the checkout, found from any working folder: a run may work elsewhere, in a container,
with `--directory`, or where another workflow uses this one as a module."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
PLUGINS = ROOT / "plugins"  # of Snakemake
RESOURCES = ROOT / "resources"


def script_of(rule: str, system: str) -> Path:
    """The script of a rule: the system's own, else the one that all systems share."""
    own = SCRIPTS / system / f"{rule}.py"
    return own if own.is_file() else SCRIPTS / f"{rule}.py"


def default_config() -> Path:
    """The configuration that presets change: `config.yaml` of the working folder where there is
    one, else that of the checkout."""
    return found("config.yaml")


def found(path: str | Path) -> Path:
    """The path of a file that is named relative to the working folder; the checkout's file of that
    name where the working folder has none."""
    own = Path(path)
    ours = ROOT / path
    return ours if not own.exists() and ours.exists() else own
