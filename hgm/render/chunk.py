"""Render a chunk of scans with worker processes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path

from hgm.core.items import Outcome
from hgm.core.keys import file_digest
from hgm.errors import InputError, MissingDependency, ScanError
from hgm.render.member import STAGE, TASK, MemberRendering, MemberWork, member_key
from hgm.render.pool import Item, do_in_workers
from hgm.scans.thuman import ScanFiles


def render_chunk(
    scans: Sequence[ScanFiles],
    out: Path,
    settings: MemberRendering,
    *,
    models: Path,
    workers: int = 1,
    code: str = "",
    progress: Callable[[int, str], None] | None = None,
) -> Outcome:
    """Render every scan to the view folder `out/<name>`; folders whose key is unchanged are left as
    they are.

    `models` holds smplx/SMPLX_<GENDER>.npz. The pixels do not depend on the number of `workers`.
    `code` is part of every key: another value renders everything again. Raises InputError without a
    body model, without bpy, or without a GPU where one is asked for; all else as `do_in_workers`.
    """
    common = common_key(Path(models), settings.gender, code)
    items = []
    rejected = {}
    for scan in scans:
        try:
            key = member_key(scan, settings, common)
        except ScanError as error:
            rejected[scan.name] = str(error)
            continue
        data = {"obj": str(scan.obj.resolve()), "fit": str(scan.fit.resolve())}
        items.append(Item(scan.name, key, data, str(scan.obj)))
    return do_in_workers(
        TASK,
        items,
        out,
        MemberWork(rendering=settings, models=str(Path(models).resolve())),
        stage=STAGE,
        noun="scan",
        rejected=rejected,
        workers=workers,
        progress=progress,
    )


def common_key(models: Path, gender: str, code: str) -> str:
    """What all keys of a chunk share: the body model's contents, Blender's version and the caller's
    code key."""
    path = models / "smplx" / f"SMPLX_{gender.upper()}.npz"
    try:
        return " ".join([file_digest(path), importlib.metadata.version("bpy"), code])
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected the SMPL-X model of the fits"
        ) from None
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependency(
            "bpy is not installed; install it with: pip install 'bpy>=4.5,<5.1'"
        ) from None
