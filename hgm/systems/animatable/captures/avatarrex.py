"""AvatarReX: a folder for each camera, named by its serial number, with the pictures in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hgm.systems.animatable.captures.calibration import read_json_cameras
from hgm.systems.animatable.captures.viewpoint import Viewpoint
from hgm.systems.animatable.layout import CALIBRATION

MASKS = "mask/pha"  # below the folder of a camera


class AvatarReX:
    """`<serial>/%08d.jpg`, `<serial>/mask/pha/%08d.jpg` and calibration_full.json."""

    calibration = CALIBRATION["avatarrex"]

    def image(self, camera: str, frame: int) -> str:
        return f"{camera}/{frame:08d}.jpg"

    def mask(self, camera: str, frame: int) -> str:
        return f"{camera}/{MASKS}/{frame:08d}.jpg"

    def pictured(self, root: Path) -> set[str]:
        return {path.parents[1].name for path in root.glob(f"*/{MASKS}") if path.is_dir()}

    def viewpoints(self, root: Path) -> Mapping[str, Viewpoint]:
        return read_json_cameras(root / self.calibration)
