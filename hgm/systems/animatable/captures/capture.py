"""A capture: the pictures of one person by several cameras, and how the body is in each frame."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hgm.body.motion.sequence import Motion
from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.scans.gps_files import read_image, read_mask
from hgm.systems.animatable.captures.footage import Shot
from hgm.systems.animatable.captures.layouts import LAYOUTS
from hgm.systems.animatable.captures.parameters import read_parameters
from hgm.systems.animatable.captures.viewpoint import Layout, Viewpoint
from hgm.systems.animatable.layout import MISSING, MISSING_MASKS, PARAMETERS
from hgm.train.pictures import CHANNELS, PictureMemory

# what a JPEG leaves around 0 and 255 in a mask counts as these; between them an edge is soft
NOBODY, WHOLLY = 5, 250


class Picture(NamedTuple):
    """One frame as one camera sees it."""

    rgb: Tensor  # uint8 [3, H, W], with its background
    alpha: Tensor  # uint8 [1, H, W], the share of each pixel that is the person, 255 for all of it


@dataclass(frozen=True, eq=False)
class Capture:
    """A multi-view video. Its world is that of the calibration, in meters; pictures are RGB from
    here on, whatever the order in which others read them. Threads may share it."""

    root: Path
    layout: str
    cameras: Mapping[str, Cameras]  # unbatched, float32, of the pictures' size
    motion: Motion  # row i is the frame of number i
    missing: frozenset[Shot]

    @classmethod
    def read(cls, root: Path, layout: str, cameras: Sequence[str] = ()) -> Capture:
        """As `open_capture`."""
        files = LAYOUTS[layout]
        if not root.is_dir():
            raise InputError(f"capture.root: {root}: no such folder")
        known = files.viewpoints(root)
        chosen = {name: _camera(known[name]) for name in _chosen(root, files, known, cameras)}
        return cls(root, layout, chosen, read_parameters(root), _lacking(root, known))

    @property
    def files_layout(self) -> Layout:
        return LAYOUTS[self.layout]

    def image_path(self, camera: str, frame: int) -> Path:
        return self.root / self.files_layout.image(camera, frame)

    def mask_path(self, camera: str, frame: int) -> Path:
        return self.root / self.files_layout.mask(camera, frame)

    def has(self, camera: str, frame: int) -> bool:
        """Whether a camera's picture of a frame can be asked for."""
        there = camera in self.cameras and 0 <= frame < len(self.motion)
        return there and (camera, frame) not in self.missing

    def without(self, shots: Iterable[Shot]) -> Capture:
        """The capture where these are missing, too: those that a check set aside."""
        return dataclasses.replace(self, missing=self.missing | frozenset(shots))

    def files(self, cameras: Iterable[str], frames: Iterable[int]) -> list[Path]:
        """The files that decide these frames of these cameras: calibration, parameters, and the
        pictures and masks that are not missing."""
        chosen = list(frames)
        shots = [(c, i) for c in cameras for i in chosen if self.has(c, i)]
        own = [self.root / self.files_layout.calibration, self.root / PARAMETERS]
        return own + [p for shot in shots for p in (self.image_path(*shot), self.mask_path(*shot))]

    def picture(self, camera: str, frame: int) -> Picture:
        """A frame by a camera, kept as bytes while memory lasts. Raises InputError for a camera or
        a frame that the capture lacks, for a damaged file, and for one of another size than the
        calibration's."""
        if not self.has(camera, frame):
            raise InputError(
                f"{self.root}: has no picture of frame {frame} by camera {camera}; cameras are "
                f"{', '.join(self.cameras)}, frames 0 to {len(self.motion) - 1}"
            )
        whole = self._memory.picture(Path(camera), frame, lambda: self._decoded(camera, frame))
        return Picture(whole[:3], whole[3:])

    @cached_property
    def _memory(self) -> PictureMemory:
        return PictureMemory(
            {
                Path(name): (len(self.motion), CHANNELS, camera.height, camera.width)
                for name, camera in self.cameras.items()
            }
        )

    def _decoded(self, camera: str, frame: int) -> Tensor:
        """Color and mask, uint8 [4, H, W]."""
        size = self.cameras[camera].width, self.cameras[camera].height
        image = read_image(self.image_path(camera, frame), "RGB")
        mask = read_mask(self.mask_path(camera, frame))
        for path, array in (
            (self.image_path(camera, frame), image),
            (self.mask_path(camera, frame), mask),
        ):
            check_size(path, (array.shape[1], array.shape[0]), size, self.files_layout)
        mask = np.where(mask <= NOBODY, np.uint8(0), mask)
        mask = np.where(mask >= WHOLLY, np.uint8(255), mask)
        whole = np.concatenate([image, mask[..., None]], -1)
        return torch.from_numpy(np.ascontiguousarray(whole.transpose(2, 0, 1)))


def check_size(path: Path, size: tuple[int, int], wanted: tuple[int, int], layout: Layout) -> None:
    """Raise InputError for a picture of another size, width and height, than its calibration."""
    if size != wanted:
        raise InputError(
            f"{path}: {size[0]} x {size[1]} pixels, {layout.calibration} says {wanted[0]} x "
            f"{wanted[1]}; expected pictures as they were calibrated: who resizes them has to "
            "change K and the size with them"
        )


def _camera(view: Viewpoint) -> Cameras:
    K, w2c = (torch.from_numpy(array).float() for array in (view.K, view.world_to_camera))
    return Cameras(K, w2c, view.width, view.height)


def _chosen(
    root: Path, layout: Layout, known: Mapping[str, Viewpoint], cameras: Sequence[str]
) -> list[str]:
    """The names of the cameras that are asked for, or of all. Raises InputError where calibration
    and folders of pictures do not agree about them."""
    pictured = layout.pictured(root)
    chosen = list(dict.fromkeys(cameras)) or list(known)
    advice = "name the cameras to use in capture.cameras and capture.held_out, or"
    for name in chosen:
        if name not in known:
            raise InputError(
                f"{root / layout.calibration}: has no camera {name}; it has {', '.join(known)}"
            )
        if name not in pictured:
            place = root / layout.image(name, 0)
            raise InputError(
                f"{root / layout.calibration}: has the camera {name}, but there is no folder "
                f"{place.parent} with its pictures; {advice} take it out of the calibration"
            )
    if not cameras and (unknown := sorted(pictured - set(known))):
        raise InputError(
            f"{root}: has pictures of the camera {unknown[0]}, but {layout.calibration} does not "
            f"know it; {advice} add it to the calibration"
        )
    return chosen


def _lacking(root: Path, cameras: Iterable[str]) -> frozenset[Shot]:
    """What the capture's lists say of pictures that it lacks: one file a line, by its camera and
    its number. Raises InputError for a line that says something else."""
    known = set(cameras)
    found = set()
    for name in (MISSING, MISSING_MASKS):
        path = root / name
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            parts = [part for part in re.split(r"[\\/]", line.strip()) if part]
            if not parts:
                continue
            camera = next((part for part in parts[:-1] if part in known), None)
            frame = re.search(r"(\d+)(\.\w+)?$", parts[-1])
            if camera is None or frame is None:
                raise InputError(
                    f"{path}: line {number}: {line.strip()!r:.60} names no picture of a camera of "
                    "the calibration; expected <camera>/<frame>.jpg"
                )
            found.add((camera, int(frame[1])))
    return frozenset(found)
