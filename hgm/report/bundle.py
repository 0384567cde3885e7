"""What the pages are made with besides code: templates, the paper's numbers, and the interactive
view's program, which `make viewer` builds from web/; a report without it shows films in its
place."""

from __future__ import annotations

from pathlib import Path

from hgm.core.checkout import RESOURCES
from hgm.core.provenance import file_digest, folder_digest, key_of

TEMPLATES = Path(__file__).parent / "templates"
VIEWER = Path(__file__).parent / "web" / "dist" / "viewer.js"
PAPER = RESOURCES / "paper.yaml"


def texts_digest() -> str:
    """A key of the templates' and the paper's content: a report is made anew when they change, not
    when the checkout moves."""
    return key_of(folder_digest(TEMPLATES), file_digest(PAPER))


def viewer_digest() -> str | None:
    """Its content's hash, None where it is not built: a report is made anew when it comes, changes
    or goes."""
    return file_digest(VIEWER) if VIEWER.is_file() else None
