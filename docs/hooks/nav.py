"""A page that the list in mkdocs.yml does not name stands at its end, so that none is out of
reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

MORE = "More"


def pages(nav: Any) -> Iterator[str]:
    """Files of a nav, in its order."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages(part)


def on_config(config: Any) -> Any:
    """Called by mkdocs with its configuration."""
    named = set(pages(config["nav"]))
    docs = Path(config["docs_dir"])
    rest = sorted({p.relative_to(docs).as_posix() for p in docs.rglob("*.md")} - named)
    if rest:
        config["nav"] = [*config["nav"], {MORE: rest}]
    return config
