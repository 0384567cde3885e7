"""`hgm doctor`: checks everything that a configuration needs and shows it as one table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hgm.core.progress import Progress
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.systems import optional_part
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.checks import check, configured_scans
from hgm.workflow.doctor.download import fetch
from hgm.workflow.doctor.entries import Asset, load_assets
from hgm.workflow.doctor.environment import check_environment
from hgm.workflow.doctor.findings import Finding
from hgm.workflow.doctor.health import check_health


def examine(config: Config, assets: Sequence[Asset] | None = None) -> list[Finding]:
    """All findings: assets, environment, the run's own folder. Raises InputError for a wrong list
    of scans."""
    if hasattr(config, "scans"):
        configured_scans(config)  # raises for a wrong list before all else
    listed = load_assets() if assets is None else assets
    assets = [asset for asset in listed if asset.concerns(config)]
    with Progress("doctor", len(assets)) as progress:
        findings = [check(asset, config) for asset in progress.each(assets, lambda a: a.title)]
    own = optional_part(config.system, "doctor")
    return [
        *findings,
        *(own.findings(config) if own else []),
        *check_environment(config),
        *check_health(RunFolder.named(config.run).path),
    ]


def fetch_free(
    config: Config, names: Sequence[str], into: Path, assets: Sequence[Asset] | None = None
) -> dict[str, str]:
    """Download the named free assets, or, without names, those that the configuration needs and
    lacks. What is fetched and which keys to set are written to standard error. Returns, by name,
    why a download failed.

    Raises InputError for a name that is unknown or not free.
    """
    assets = load_assets() if assets is None else assets
    free = {asset.name: asset for asset in assets if asset.free}
    for name in names:
        if name not in free:
            raise InputError(
                f"--fetch: {name} cannot be fetched freely; expected one of {', '.join(free)}"
            )
    chosen = [free[name] for name in names] or [a for a in free.values() if check(a, config).fault]
    for asset in chosen:
        sys.stderr.write(
            f"fetching {asset.title} into {asset.place(into)} (license: {asset.license})\n"
        )
    fetched = fetch(chosen, into)
    for asset in chosen:
        place = fetched.places.get(asset.name)
        if place is not None and asset.key is not None and str(place) != asset.path(config):
            sys.stderr.write(f"set {asset.key}: {place}\n")
    return fetched.failed
