"""Photos of a real rig in the layout (`real_data`: `img/<frame>/<camera>.jpg`, mask, parm, and
heatmap where there is one): calibrated, without depth, of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hgm.core.keys import file_digest
from hgm.errors import InputError
from hgm.scans import gps_files
from hgm.systems.posegaussian.heat_files import given_heat
from hgm.systems.posegaussian.heatmaps import heat_map
from hgm.systems.posegaussian.keypoints import detected_keypoints
from hgm.systems.posegaussian.layout import PairFiles, read_heat_map
from hgm.systems.posegaussian.photos import Photos
from hgm.systems.posegaussian.settings import HeatMaps


@dataclass(frozen=True)
class Square:
    """A picture of width x height pixels in the middle of a square, which is then `size` pixels
    large."""

    width: int
    height: int
    size: int

    @property
    def side(self) -> int:
        return max(self.width, self.height)

    @property
    def scale(self) -> float:
        return self.size / self.side

    @property
    def shift(self) -> tuple[int, int]:
        """Pixels to the left of the picture and above it."""
        return (self.side - self.width) // 2, (self.side - self.height) // 2

    def picture(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [H, W] or [H, W, C] -> [size, size, ...], 0 around it; means of areas where it
        shrinks."""
        import cv2

        left, above = self.shift
        square = np.zeros((self.side, self.side, *picture.shape[2:]), np.uint8)
        square[above : above + self.height, left : left + self.width] = picture
        how = cv2.INTER_AREA if self.size < self.side else cv2.INTER_LINEAR
        resized = cv2.resize(square, (self.size, self.size), interpolation=how)
        return resized.reshape(self.size, self.size, *picture.shape[2:])

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 2] of the picture in the square, both in pixels."""
        return (points + self.shift) * self.scale

    def intrinsics(self, K: np.ndarray) -> np.ndarray:
        """K [3, 3] of the picture as that of the square."""
        moved = K.copy()
        moved[:2, 2] += self.shift
        moved[:2] *= self.scale
        return moved


def frames_in(root: Path) -> list[str]:
    """Names of all frames. Raises InputError where there is none."""
    frames = sorted(p.name for p in (root / "img").glob("*") if p.is_dir())
    if not frames:
        raise InputError(
            f"capture.root: {root / 'img'} holds no folder of a frame; expected "
            "img/<frame>/<camera>.jpg, with mask and parm beside img"
        )
    return frames


def read_frame(root: Path, frame: str, cameras: Sequence[str], size: int) -> Photos:
    """The photos of two cameras, in squares of `size` pixels, over black by their masks. Raises
    InputError for the first file that is missing, damaged, or does not fit the others."""
    files = PairFiles(root, frame)
    images, masks, K, poses = [], [], [], []
    for camera in cameras:
        if not files.image(camera).is_file():
            raise InputError(
                f"{files.image(camera)}: no such photo; capture.cameras names its camera"
            )
        rgb, mask = files.picture(camera)
        square = Square(rgb.shape[1], rgb.shape[0], size)
        shown = (rgb.astype(np.uint32) * mask[..., None] + 127) // 255
        images.append(square.picture(shown.astype(np.uint8)))
        masks.append(square.picture(mask))
        intrinsic, pose = files.camera(camera, (square.width, square.height))
        K.append(square.intrinsics(intrinsic))
        poses.append(pose)
    return Photos(
        str(files.folder("img")),
        np.stack(images),
        np.stack(masks),
        np.stack(K),
        np.stack(poses),
    )


def frame_key(root: Path, frame: str, cameras: Sequence[str]) -> list[str]:
    """Digests of all files that decide a frame's photos, those that are there."""
    files = PairFiles(root, frame)
    found: list[Path] = []
    for camera in cameras:
        found += [files.image(camera), files.mask(camera), *files.camera_files(camera)]
    return [file_digest(file) if file.is_file() else "" for file in found]


def read_heat(files: PairFiles, camera: str, size: int, settings: HeatMaps) -> np.ndarray:
    """The heat map uint8 [size, size, C] of the photo of a camera. Raises InputError for what is
    missing, damaged or of another size than the photo."""
    height, width = gps_files.read_mask(files.mask(camera)).shape
    square = Square(width, height, size)
    if settings.source == "predictions":
        points, _ = detected_keypoints(
            given_heat(files, camera, settings), (square.width, square.height)
        )
        return heat_map(square.points(points), square.size, settings)
    path = given_heat(files, camera, settings)
    heat = read_heat_map(path, settings.encoding)
    if heat.shape[:2] != (square.height, square.width):
        raise InputError(
            f"{path}: {heat.shape[1]} x {heat.shape[0]} pixels, expected {square.width} x "
            f"{square.height}, those of the photo"
        )
    return np.concatenate([square.picture(heat[..., i : i + 1]) for i in range(heat.shape[-1])], -1)
