"""Checks of assets and settings that HGM alone has."""

from __future__ import annotations

from pathlib import Path

from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import Finding, State


def check_lgm(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """`intact` for the published file, `present` for another file with LGM's keys. Raises
    InputError for anything else."""
    from hgm.nets.checkpoints import read_checkpoint
    from hgm.systems.hgm.networks.release import LGM, kind_of

    if path.is_file() and file_digest(path) == asset.files[0].sha256:
        return "intact", "SHA-256 as published"
    kind = kind_of(read_checkpoint(path), source=str(path))
    if kind is not LGM:
        raise InputError(f"{path}: a checkpoint of {kind.title}; expected LGM's")
    return "present", "LGM's tensors; not the published file"


def findings(config: Config) -> list[Finding]:
    """A remark where real scans start from their own true fits, disturbed; otherwise nothing."""
    if (
        config.scans.test_source or config.scans.source
    ) == "standin" or config.estimate.source != "disturbed":
        return []
    return [
        Finding(
            "first SMPL-X bodies",
            "present",
            "estimate.source: disturbed: the scans' own fits with noise; every table says so "
            "and nothing is compared with the paper; an estimator: docs/estimators.md",
            ("estimate",),
        )
    ]


CHECKS = {"lgm": check_lgm}
