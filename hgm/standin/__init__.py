"""Free stand-ins for the gated data: body models in SMPL-X's format and clothed scans in
THuman2.0's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hgm.standin.scan import Scan, make_scan
    from hgm.standin.writer import is_complete, make_chunk, scan_name, write_scan

__all__ = ["Scan", "is_complete", "make_chunk", "make_scan", "scan_name", "write_scan"]


def __getattr__(name: str) -> Any:
    """Load the generator when it is asked for; the body models alone stay quick to import."""
    from importlib import import_module

    if name in ("Scan", "make_scan"):
        return getattr(import_module("hgm.standin.scan"), name)
    if name in __all__:
        return getattr(import_module("hgm.standin.writer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
