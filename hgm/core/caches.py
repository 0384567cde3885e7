"""The cache folder: of the user, or one in the checkout where that of the user cannot be written.
What is in it may be deleted at any time."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from hgm.core.checkout import ROOT


def cache_folder() -> Path:
    """The cache folder of this package."""
    return Path(_chosen("XDG_CACHE_HOME", ".cache")) / "hgm"


def settle() -> None:
    """Set the environment variables that give this process and all that it starts (Snakemake,
    numba, matplotlib, torch) a cache folder that can be written, and a user name where the system
    knows none.

    Containers run under any user id, without an entry in the list of users and without a home.
    """
    if not _takes_files(_chosen("XDG_CACHE_HOME", ".cache")):
        place = next((p for p in (ROOT, Path.cwd()) if _takes_files(p)), None)
        if place is not None:
            os.environ["XDG_CACHE_HOME"] = str(place / ".cache")
    if not _takes_files(_chosen("XDG_CONFIG_HOME", ".config")):
        # matplotlib's fonts are listed beside its settings
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def _chosen(variable: str, name: str) -> str:
    """The folder that an XDG variable names, else `name` in the home folder; a relative path counts
    as none, as the XDG specification says."""
    given = os.environ.get(variable, "")
    return given if os.path.isabs(given) else os.path.join(os.path.expanduser("~"), name)


def _takes_files(folder: str | Path) -> bool:
    """Whether a folder can be written, or be made where it is missing."""
    place = Path(folder)
    if not place.is_absolute():  # `~` of a user without a home folder
        return False
    while not os.path.lexists(place):
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
