"""The interactive view's program, which `make viewer` builds from web/; a report without it shows films in its place."""

from __future__ import annotations

from pathlib import Path

from hgm.provenance import file_digest

VIEWER = Path(__file__).parent / "web" / "dist" / "viewer.js"


def viewer_digest() -> str | None:
    """Its content's hash, None where it is not built: a report is made anew when it comes, changes or goes."""
    return file_digest(VIEWER) if VIEWER.is_file() else None
