"""The data sets that `scans.source` names: where a scan of each lies, or its views where there is
nothing to render."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hgm.body.model import BodyModel
from hgm.scans.custom import locate_custom
from hgm.scans.given import GivenViews
from hgm.scans.humman import humman_frame
from hgm.scans.multiview import MultiviewScan
from hgm.scans.thuman import ScanFiles, locate

# the others, humman and views, bring their views
SCANS: Mapping[str, Callable[[Path, str], ScanFiles]] = {
    "standin": locate,
    "thuman2": locate,
    "thuman21": locate,
    "customhumans": locate_custom,
}


def find_scan(source: str, root: Path, name: str) -> ScanFiles | None:
    """The files of a scan and its fit; None where the views are given. Raises InputError when they
    are not there."""
    return SCANS[source](root, name) if source in SCANS else None


def find_views(source: str, root: Path, name: str, model: BodyModel, models: Path) -> GivenViews:
    """The given views of one person. Raises InputError when they are not there."""
    return (
        humman_frame(root, name, model, models)
        if source == "humman"
        else MultiviewScan(root, name, model)
    )
