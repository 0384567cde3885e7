"""THuman4.0, and what the release's documentation asks of own captures: folders of pictures and of
masks, in each one for every camera."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hgm.systems.animatable.captures.calibration import read_json_cameras
from hgm.systems.animatable.captures.viewpoint import Viewpoint
from hgm.systems.animatable.layout import CALIBRATION


class THuman4:
    """`images/cam%02d/%08d.jpg`, `masks/cam%02d/%08d.jpg` and calibration.json."""

    calibration = CALIBRATION["thuman4"]

    def image(self, camera: str, frame: int) -> str:
        return f"images/{camera}/{frame:08d}.jpg"

    def mask(self, camera: str, frame: int) -> str:
        return f"masks/{camera}/{frame:08d}.jpg"

    def pictured(self, root: Path) -> set[str]:
        return {path.name for path in root.glob("images/*") if path.is_dir()}

    def viewpoints(self, root: Path) -> Mapping[str, Viewpoint]:
        return read_json_cameras(root / self.calibration)
