"""What a page is put together from: captioned pictures, strips, galleries, tables, sections.

Each part has a template of its own, the macro of its `kind` in templates/parts.html.j2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from hgm.report.pictures import Assets, Picture


class Part(Protocol):
    """Anything that a section holds."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class Shot:
    """A captioned picture; without one the page says that it is not available."""

    caption: str
    picture: Picture | None


def shot(assets: Assets, caption: str, image: np.ndarray | None) -> Shot:
    """A picture [H, W, 3] uint8 under a caption."""
    return Shot(caption, assets.optional(image))


@dataclass(frozen=True)
class Strip:
    """Captioned pictures side by side under a title; `alt` follows each caption for those who
    cannot see."""

    kind: ClassVar[str] = "strip"
    title: str
    shots: Sequence[Shot]
    label: str
    alt: str = ""


@dataclass(frozen=True)
class Clip:
    """A captioned film; without one the page says that it is not available."""

    caption: str
    path: str | None  # relative to the page


@dataclass(frozen=True)
class Films:
    """Captioned films side by side under a title."""

    kind: ClassVar[str] = "films"
    title: str
    clips: Sequence[Clip]
    label: str


@dataclass(frozen=True)
class Turned:
    """What the interactive viewer loads. size: edge of the training pictures in pixels."""

    size: int
    gaussians: str | None
    mesh: str | None
    note: str


@dataclass(frozen=True)
class Turntable:
    """A film, or in its place Gaussians and a mesh to turn."""

    kind: ClassVar[str] = "viewer"
    name: str
    film: str | None
    viewer: Turned | None


@dataclass(frozen=True)
class Frames:
    """Pictures under a title, of which a slider shows one; `strip` holds all of them side by side,
    of equal width. ends: what the first and the last one are."""

    kind: ClassVar[str] = "frames"
    title: str
    strip: Picture
    count: int
    ends: tuple[str, str]
    alt: str


@dataclass(frozen=True)
class Beside:
    """Pictures to pick from and what can be turned, side by side where there is room."""

    kind: ClassVar[str] = "beside"
    parts: Sequence[Frames | Turntable]


@dataclass(frozen=True)
class Sheet:
    """One wide picture under a title, scrolled sideways where there is no room."""

    kind: ClassVar[str] = "sheet"
    title: str
    picture: Picture | None
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Entry:
    """One of a gallery. `value` is what the gallery can be sorted by, `text` how it is written."""

    name: str
    page: str
    thumb: Picture | None
    alt: str
    value: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Gallery:
    """Entries with a search field and an order; `measure` names their value."""

    kind: ClassVar[str] = "gallery"
    entries: Sequence[Entry]
    measure: str


@dataclass(frozen=True)
class TextTable:
    """Rows of texts by column."""

    kind: ClassVar[str] = "text_table"
    title: str
    rows: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Note:
    """A small remark."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Section:
    """A chapter of the page. `lead` may hold markup; `missing`: what is not available where there
    is no part."""

    name: str  # the anchor
    title: str
    lead: Any
    parts: Sequence[Part]
    missing: str


@dataclass(frozen=True)
class Banner:
    """What has to be said before anything else; `label` is for those who cannot see."""

    label: str
    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page beside the index, from a template of the system."""

    path: str  # below the report's folder
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
