"""From scan files to the rendered data set: which scans can be used, and where their views are."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from hgm.body import BodyModel
from hgm.body.fits import load_fit
from hgm.catalogue import Entry
from hgm.errors import InputError
from hgm.provenance import read_json
from hgm.scans.canonical import scan_to_nu
from hgm.scans.check import check_fit
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles, locate

log = logging.getLogger(__name__)


def check_scan(root: Path, name: str, model: BodyModel) -> ScanFiles:
    """Files of a scan that can be used. Raises ScanError with the first fault of mesh, texture, fit or their match."""
    files = locate(root, name)
    checked = preflight(files)
    fit = load_fit(files.fit, model)
    check_fit(checked.mesh, scan_to_nu(fit, model), files.fit)
    return files


def check_scans(entries: Sequence[Entry], root: Path, model: BodyModel) -> tuple[list[Entry], dict[str, str]]:
    """The usable entries, and the reason for each of the others. Raises InputError if none is left."""
    good: list[Entry] = []
    rejected: dict[str, str] = {}
    for entry in entries:
        try:
            check_scan(root, entry.scan, model)
            good.append(entry)
        except InputError as error:
            rejected[entry.scan] = str(error)
            log.warning("set aside: %s", error)
    if not good:
        first = next(iter(rejected.items()), ("scans", "no id is configured"))
        raise InputError(f"{root}: none of {len(entries)} scans can be used; first {first[0]}: {first[1]}")
    return good, rejected


def rendered(manifests: Iterable[Path], split: str | None = None) -> list[Path]:
    """View folders named by chunk manifests, in their order; only those of one split if given."""
    folders: list[Path] = []
    for manifest in manifests:
        if split is None or manifest.parent.name.startswith(split):
            folders += [manifest.parent / scan for scan in sorted(read_json(manifest)["members"])]
    return folders
