"""What a layout of a capture's files is: where its pictures are, and the numbers of its cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Viewpoint:
    """One camera, in OpenCV's axes, meters and pixels."""

    K: np.ndarray  # [3, 3] float64
    world_to_camera: np.ndarray  # [4, 4] float64
    width: int
    height: int


class Layout(Protocol):
    """Where the files of a data set are, below the folder of a person."""

    @property
    def calibration(self) -> str:
        """The file of the cameras."""

    def image(self, camera: str, frame: int) -> str:
        """The picture of a frame."""

    def mask(self, camera: str, frame: int) -> str:
        """Its mask."""

    def pictured(self, root: Path) -> set[str]:
        """The cameras that have a folder of pictures."""

    def viewpoints(self, root: Path) -> Mapping[str, Viewpoint]:
        """All cameras of the calibration. Raises InputError for a file that is missing or wrong."""
