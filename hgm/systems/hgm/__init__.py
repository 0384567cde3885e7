"""HGM, "Generalizable Human Gaussians from Single-View Image" (ICLR 2025): from one photo.

from hgm.systems.hgm import HGM, HGMConfig
"""

from __future__ import annotations

from typing import Any

# of the package's face: where each is. Named, not imported: jobs that need no network would hang on
# its code.
FACE = {"HGM": "networks.hgm", "HGMConfig": "networks.config"}


def __getattr__(name: str) -> Any:
    """Load a network's class when it is asked for."""
    from importlib import import_module

    if name in FACE:
        return getattr(import_module(f"{__name__}.{FACE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
