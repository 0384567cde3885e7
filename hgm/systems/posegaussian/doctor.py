"""Checks of assets and settings that PoseGaussian alone has."""

from __future__ import annotations

from pathlib import Path

from hgm.errors import ScanError
from hgm.systems.posegaussian.parts import given_folder
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import Finding, State

SPLITS = ("train", "val", "test")


def check_pairs(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """Whether the first pair of each split can be read. Raises InputError for the first that
    cannot."""
    from hgm.systems.posegaussian.layout import PairFiles

    counts = []
    for split in SPLITS:
        root = given_folder(path, split)
        names = sorted(p.name for p in (root / "img").glob("*_*") if p.is_dir())
        if not names:
            return "missing", f"{root / 'img'}: no folder <scan>_<pair>"
        PairFiles(root, names[0]).photos()
        counts.append(f"{split}: {len(names)} pairs")
    return "present", "; ".join(counts)


def check_capture(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """Whether each frame has photo, mask and calibration of both source cameras. Raises ScanError
    for the first file that is not there."""
    from hgm.systems.posegaussian.layout import PairFiles

    frames = sorted(p for p in (path / "img").glob("*") if p.is_dir())
    if not frames:
        return "missing", f"{path / 'img'}: no folder of a frame"
    for frame in frames:
        files = PairFiles(path, frame.name)
        for camera in config.capture.cameras:
            for file in (files.image(camera), files.mask(camera), *files.camera_files(camera)):
                if not file.is_file():
                    raise ScanError(f"{file}: no such file; capture.cameras names its camera")
    return "present", f"{len(frames)} frames"


def check_heat_maps(asset: Asset, config: Config, path: Path) -> tuple[State, str]:
    """Whether there is a file of the asked kind."""
    ending = "json" if config.heatmaps.source == "predictions" else "[np][pn][gz]"
    found = sum(1 for _ in path.glob(f"**/*.{ending}"))
    if not found:
        return "missing", f"{path}: no file of heatmaps.source: {config.heatmaps.source}"
    return "present", f"{found} files"


def findings(config: Config) -> list[Finding]:
    """A remark where networks learn with heat maps that nobody detected."""
    if config.heatmaps.source != "fits" or config.scans.source == "standin":
        return []
    return [
        Finding(
            "heat maps",
            "present",
            "heatmaps.source: fits: joints of the scans' own fits, which no detector found; "
            "MMPose's: docs/posegaussian.md",
            ("heatmaps",),
        )
    ]


CHECKS = {"pairs": check_pairs, "heat_maps": check_heat_maps, "capture": check_capture}
