"""A stereo pair whose rows correspond, as arrays and as a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hgm.cameras import Cameras
from hgm.core.files import atomic_write
from hgm.core.npz import read_npz
from hgm.errors import InputError

LEFT, RIGHT = 0, 1
ARRAYS = ("images", "masks", "K", "world_to_camera", "source_K", "source_world_to_camera", "shift")
KNOWN = ("flow", "valid")  # which not every pair has
HEAT = "heat"  # in a file of its own, since not everybody looks at it
HEAT_FOLDER = "heatmaps"  # beside the files of pairs


@dataclass(frozen=True)
class RectifiedPair:
    """Both views of a pair, left first. Lengths are meters. A pixel becomes a point by its center
    at +0.5 and `K`, whatever convention rectified the pair."""

    images: np.ndarray  # uint8 [2, S, S, 3], sRGB over black
    masks: np.ndarray  # uint8 [2, S, S], coverage
    K: np.ndarray  # float64 [2, 3, 3], rectified; principal points may differ
    world_to_camera: np.ndarray  # float64 [2, 4, 4], rectified
    source_K: np.ndarray  # float64 [2, 3, 3], of the photos as they were taken
    source_world_to_camera: np.ndarray  # float64 [2, 4, 4]
    shift: float  # P1[0, 3] of OpenCV's rectification: -focal length * baseline, pixels * meters
    heat: np.ndarray | None = None  # uint8 [2, S, S, C]
    # horizontal way in pixels from a pixel to the same point in the other view, and where it is
    # known; 0 elsewhere
    flow: np.ndarray | None = None  # float16 [2, S, S]
    valid: np.ndarray | None = None  # bool [2, S, S]

    @property
    def size(self) -> int:
        return int(self.images.shape[1])

    @property
    def shifts(self) -> np.ndarray:
        """[2]: `shift` as each view sees it; the sign turns for the right one."""
        return np.array([self.shift, -self.shift])

    @property
    def cameras(self) -> Cameras:
        """The rectified cameras [2], float32."""
        return _cameras(self.K, self.world_to_camera, self.size)

    @property
    def source_cameras(self) -> Cameras:
        """The cameras [2] that took the photos, float32."""
        return _cameras(self.source_K, self.source_world_to_camera, self.size)

    def order_of(self, world_to_camera: np.ndarray) -> list[int]:
        """Which of the photos by the cameras [2, 4, 4] is the left one, and which the right one."""
        first = np.allclose(world_to_camera[0], self.source_world_to_camera[LEFT])
        return [0, 1] if first else [1, 0]

    def save(self, path: Path) -> None:
        """Write all arrays but heat maps as one compressed file."""
        arrays = {name: getattr(self, name) for name in (*ARRAYS, *KNOWN)}
        _save(path, {name: value for name, value in arrays.items() if value is not None})

    @classmethod
    def load(cls, path: Path, *, heat: bool = False) -> RectifiedPair:
        """A pair, with its heat maps if so asked. Raises InputError for a file that is missing or
        damaged."""
        arrays: Mapping[str, np.ndarray] = read_npz(
            path, what="rectified pair", advice="delete it and run again"
        )
        if missing := [name for name in ARRAYS if name not in arrays]:
            raise InputError(f"{path}: holds no {missing[0]}; delete it and run again")
        found: dict[str, Any] = {name: arrays.get(name) for name in (*ARRAYS, *KNOWN)}
        pair = cls(**{**found, "shift": float(arrays["shift"])})
        return dataclasses.replace(pair, heat=_load_heat(path, pair.size)) if heat else pair


def heat_file(path: Path) -> Path:
    """Where the heat maps of the pair in a file are."""
    return path.parent / HEAT_FOLDER / path.name


def save_heat(path: Path, heat: np.ndarray) -> None:
    """Write heat maps uint8 [2, S, S, C], left first, of the pair in the file `path`."""
    _save(heat_file(path), {HEAT: heat})


def _load_heat(path: Path, size: int) -> np.ndarray:
    file = heat_file(path)
    advice = "delete it and run again"
    heat = read_npz(file, (HEAT,), what="rectified heat map", advice=advice).get(HEAT)
    if heat is None or heat.shape[:3] != (2, size, size) or heat.dtype != np.uint8:
        raise InputError(f"{file}: holds no heat maps of {size} x {size} pixels; {advice}")
    return heat


def _save(path: Path, arrays: Mapping[str, np.ndarray | float]) -> None:
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def _cameras(K: np.ndarray, world_to_camera: np.ndarray, size: int) -> Cameras:
    return Cameras(
        torch.from_numpy(K).float(), torch.from_numpy(world_to_camera).float(), size, size
    )
