"""What the pages are made with besides code: templates, the paper's numbers, and the interactive
view's program, which `make viewer` builds from web/; a report without it shows films in its
place."""

from __future__ import annotations

from pathlib import Path

from hgm.core.checkout import RESOURCES
from hgm.core.keys import file_digest, folder_digest, key_of
from hgm.core.manifests import PACKAGE

TEMPLATES = Path(__file__).parent / "templates"
VIEWER = Path(__file__).parent / "web" / "dist" / "viewer.js"


def templates_of(system: str) -> Path:
    """Where a system's own templates are."""
    return PACKAGE / "systems" / system / "report" / "templates"


def paper_of(system: str) -> Path:
    """The file of a system's paper."""
    return RESOURCES / "paper" / f"{system}.yaml"


def texts_digest(system: str) -> str:
    """A key of the content of templates and paper: a report is made anew when they change, not when
    the checkout moves."""
    own = templates_of(system)
    return key_of(
        folder_digest(TEMPLATES),
        folder_digest(own) if own.is_dir() else None,
        file_digest(paper_of(system)) if paper_of(system).is_file() else None,
    )


def viewer_digest() -> str | None:
    """Its content's hash, None where it is not built: a report is made anew when it comes, changes
    or goes."""
    return file_digest(VIEWER) if VIEWER.is_file() else None
