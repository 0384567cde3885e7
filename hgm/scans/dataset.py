"""Which scans of a data set can be used, and the view folders of those that were rendered."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from hgm.body.fits import load_fit
from hgm.core.manifests import read_json
from hgm.core.progress import Progress
from hgm.errors import InputError
from hgm.images.viewpoints import Viewpoints
from hgm.scans.canonical import scan_to_nu
from hgm.scans.catalogue import Entry
from hgm.scans.check import check_fit
from hgm.scans.data_source import DataSource
from hgm.scans.given import check_given
from hgm.scans.preflight import preflight
from hgm.scans.sources import find_scan, find_views

log = logging.getLogger(__name__)


def check_scan(place: DataSource, name: str) -> None:
    """Raise InputError with the first fault of a scan: mesh, texture, fit or their match; or of
    given views: pictures, cameras, body or their match."""
    files = find_scan(place.source, place.root, name)
    if files is not None:
        # small: what is wrong with every fit is said before the first mesh is read
        fit = load_fit(files.fit, place.model)
        check_fit(preflight(files).mesh, scan_to_nu(fit, place.model), files.fit)
        return
    views = find_views(place.source, place.root, name, place.model, place.models)
    check_given(views, place.model.faces.numpy())
    Viewpoints.of(views.cameras, views.place)


def check_scans(entries: Sequence[Entry], place: DataSource) -> tuple[list[Entry], dict[str, str]]:
    """The usable entries, and the reason for each of the others. Raises InputError if none is
    left."""
    good: list[Entry] = []
    rejected: dict[str, str] = {}
    for entry in Progress("catalogue", len(entries)).each(entries, lambda e: e.scan):
        try:
            check_scan(place, entry.scan)
            good.append(entry)
        except InputError as error:
            rejected[entry.scan] = str(error)
            log.warning("set aside: %s", error)
    if not good:
        first = next(iter(rejected.items()), ("scans", "no id is configured"))
        raise InputError(
            f"{place.root}: none of {len(entries)} scans can be used; first {first[0]}: {first[1]}"
        )
    return good, rejected


def rendered(manifests: Iterable[Path], split: str | None = None) -> list[Path]:
    """View folders named by chunk manifests, in their order; only those of one split if given."""
    folders: list[Path] = []
    for manifest in manifests:
        if split is None or manifest.parent.name.startswith(split):
            folders += [manifest.parent / scan for scan in sorted(read_json(manifest)["members"])]
    return folders
