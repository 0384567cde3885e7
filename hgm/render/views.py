"""The views of one chunk of scans: rendered, or taken over from a data set that brings them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.render.chunk import ChunkResult, render_chunk
from hgm.render.given import given_key, write_given
from hgm.render.member import MemberRendering, is_finished
from hgm.scans.data_source import DataSource
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
) -> ChunkResult:
    """Write the view folders `out/<name>` with section `rendering` of the configuration; those
    whose key is unchanged stay.

    Raises InputError when nothing can be rendered, and for a scan that is no longer there.
    """
    if place.source not in SCANS:
        return take_chunk(place, names, out, size=rendering["size"], code=code, progress=progress)
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
    place: DataSource, names: Sequence[str], out: Path, *, size: int, code: str, progress: Progress
) -> ChunkResult:
    """Take over the given views of every name at `size` x `size` pixels; a bad one is set aside and
    the others go on."""
    done: dict[str, str] = {}
    rejected: dict[str, str] = {}
    model = place.model
    common = " ".join([file_digest(place.model_file), code])
    for count, name in enumerate(names, 1):
        try:
            views = find_views(place.source, place.root, name, model, place.models)
            key = given_key(views, size, common)
            kinds = ("rgb", "mask", "depth", "normal") if views.has_depth else ("rgb", "mask")
            if not is_finished(out / name, key, len(views.cameras), kinds):
                write_given(views, out / name, size=size, key=key)
            done[name] = key
        except InputError as error:
            rejected[name] = str(error)
            shutil.rmtree(out / name, ignore_errors=True)
        progress(count, name)
    return ChunkResult(dict(sorted(done.items())), dict(sorted(rejected.items())))
