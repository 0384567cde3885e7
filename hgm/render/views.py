"""The views of one chunk of scans: rendered, or taken over from a data set that brings them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hgm.core.items import Outcome, for_each
from hgm.core.keys import file_digest
from hgm.render.chunk import render_chunk
from hgm.render.given import given_key, write_given
from hgm.render.member import STAGE, MemberRendering
from hgm.scans.data_source import DataSource
from hgm.scans.given import GivenViews
from hgm.scans.sources import SCANS, find_views

Progress = Callable[[int, str], None]


def write_chunk(
    place: DataSource,
    names: Sequence[str],
    out: Path,
    rendering: Mapping[str, Any],
    *,
    workers: int,
    code: str,
    progress: Progress,
) -> Outcome:
    """Write the view folders `out/<name>` with section `rendering` of the configuration; those
    whose key is unchanged stay.

    Raises InputError when nothing can be rendered, and for a scan that is no longer there.
    """
    if place.source not in SCANS:
        return take_chunk(place, names, out, size=rendering["size"], code=code)
    return render_chunk(
        [SCANS[place.source](place.root, name) for name in names],
        out,
        MemberRendering(**rendering, gender=place.gender),
        models=place.models,
        workers=workers,
        code=code,
        progress=progress,
    )


def take_chunk(
    place: DataSource, names: Sequence[str], out: Path, *, size: int, code: str
) -> Outcome:
    """Take over the given views of every name at `size` x `size` pixels; a bad one is set aside and
    the others go on."""
    model = place.model
    common = " ".join([file_digest(place.model_file), code])
    found: dict[str, GivenViews] = {}

    def key(name: str) -> str:
        found[name] = find_views(place.source, place.root, name, model, place.models)
        return given_key(found[name], size, common)

    def work(name: str, folder: Path) -> None:
        write_given(found[name], folder, size=size)

    outcome = for_each(
        names, STAGE, folder=lambda name: out / name, key=key, work=work, may_lack_all=True
    )
    for name in outcome.failed:  # an older folder must not be taken for views
        shutil.rmtree(out / name, ignore_errors=True)
    return outcome
