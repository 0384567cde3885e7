"""HGM, "Generalizable Human Gaussians from Single-View Image" (ICLR 2025): from one photo.

from hgm.systems.hgm import HGM, HGMConfig
"""

from __future__ import annotations

from typing import Any

# public names of the package and their modules, which are imported only on access: the code key of
# a job that needs no network must not depend on them
FACE = {"HGM": "networks.hgm", "HGMConfig": "networks.config"}


def __getattr__(name: str) -> Any:
    """The class of a network, imported when it is first accessed."""
    from importlib import import_module

    if name in FACE:
        return getattr(import_module(f"{__name__}.{FACE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
