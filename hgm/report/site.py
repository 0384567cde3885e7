"""A folder of pages that open offline, with style, programs and pictures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.core.files import atomic_write
from hgm.report.bundle import TEMPLATES, templates_of
from hgm.report.costs import duration
from hgm.report.parts import Banner
from hgm.report.pictures import Assets


@dataclass(frozen=True)
class Site:
    """Pages of one title, from the templates of all systems and of one.

    viewer: the built program of the interactive view; films take its place where it is not built.
    """

    out: Path
    assets: Assets  # below `out`
    title: str
    system: str
    viewer: Path
    banners: Sequence[Banner] = ()

    def write(self, name: str, template: str, **values: Any) -> Path:
        """Write the page `name` below the folder from a template, and return its file."""
        page = self._environment.get_template(template).render(
            root="../" * name.count("/"), **values
        )
        with atomic_write(self.out / name, "w") as file:
            file.write(page)
        return self.out / name

    @cached_property
    def _environment(self) -> Any:
        import jinja2

        made = jinja2.Environment(
            loader=jinja2.FileSystemLoader([TEMPLATES, templates_of(self.system)]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        assets = self.assets
        made.filters["duration"] = duration
        made.globals |= {
            "title": self.title,
            "system": self.system,
            "banners": self.banners,
            "style": assets.add((TEMPLATES / "style.css").read_bytes(), ".css"),
            "script": assets.add((TEMPLATES / "page.js").read_bytes(), ".js"),
            "bundle": assets.file(self.viewer),
        }
        return made
