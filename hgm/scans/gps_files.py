"""The files of GPS-Gaussian's layout, one at a time: pictures, cameras, inverse depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hgm.core.files import atomic_write
from hgm.errors import InputError, ScanError
from hgm.images.views import save_png
from hgm.scans.pinhole import check_pinhole, check_rotation

INVERSE_DEPTH = 2.0**15  # steps of 1/m: 16 bits reach as near as half a meter
LARGEST = 65535
QUALITY = 95  # of the JPEGs, OpenCV's default


def read_image(path: Path, mode: str | None) -> np.ndarray:
    """An image file in a mode of Pillow, or as it is (16 bit). Raises ScanError."""
    try:
        with Image.open(path) as image:
            return np.array(image if mode is None else image.convert(mode))
    except Exception as error:  # a damaged file can raise anything from the decoder
        raise ScanError(
            f"{path}: not a readable image ({getattr(error, 'strerror', None) or error}); copy it "
            "again"
        ) from None


def read_mask(path: Path) -> np.ndarray:
    """A mask uint8 [H, W], 255 inside, which its file may write as 1. Raises ScanError."""
    mask = read_image(path, "L")
    return mask * np.uint8(255) if mask.max() == 1 else mask


def read_inverse_depth(path: Path) -> np.ndarray:
    """Inverse depth float64 [H, W] in 1/m, 0 where nothing was hit. Raises ScanError."""
    steps = read_image(path, None)
    if steps.ndim != 2 or steps.dtype.itemsize < 2:
        raise ScanError(
            f"{path}: {steps.dtype} {steps.shape}, expected one channel of 16 bits, 2**15 / z"
        )
    return steps / INVERSE_DEPTH


def read_camera(intrinsic: Path, extrinsic: Path) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] and world_to_camera [4, 4] float64 as stored. Raises ScanError for what is not a
    pinhole camera with a rotation."""
    K = read_array(intrinsic, (3, 3))
    check_pinhole(str(intrinsic), K)
    w2c = np.eye(4)
    w2c[:3] = read_array(extrinsic, (3, 4))
    check_rotation(str(extrinsic), w2c)
    return K, w2c


def read_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Finite numbers of a shape, as float64. Raises ScanError."""
    try:
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise ScanError(
            f"{path}: cannot be read ({error.strerror or error}); expected the camera of a view"
        ) from None
    except Exception as error:  # a damaged head can raise anything from its parser
        raise ScanError(f"{path}: not a readable npy file ({error}); copy it again") from None
    if array.shape != shape or array.dtype.kind not in "iuf":
        raise ScanError(f"{path}: {array.dtype} {array.shape}, expected numbers {shape}")
    if not np.isfinite(array).all():
        raise ScanError(f"{path}: holds NaN or infinity, expected finite numbers")
    return array.astype(np.float64)


def save_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write uint8 [H, W, 3] with its colors at full resolution."""
    with atomic_write(path) as file:
        Image.fromarray(rgb).save(file, "JPEG", quality=QUALITY, subsampling=0)


def save_mask(path: Path, mask: np.ndarray) -> None:
    """Write a mask uint8 [H, W] as three equal channels."""
    save_png(path, np.repeat(mask[..., None], 3, -1))


def save_inverse_depth(path: Path, z: np.ndarray, *, of: Path | None = None) -> None:
    """Write depth [H, W] in meters, 0 where nothing was hit, as 2**15 / z. Raises InputError, which
    names the file that the depth is `of`, where somebody is nearer than half a meter."""
    steps = np.where(z > 0, np.rint(INVERSE_DEPTH / np.maximum(z, 1e-9)), 0)
    if steps.max() > LARGEST:
        raise InputError(
            f"{of or path}: a depth of less than half a meter cannot be stored as 2**15 / z"
        )
    save_png(path, steps.astype(np.uint16))


def save_camera(intrinsic: Path, extrinsic: Path, K: np.ndarray, w2c: np.ndarray) -> None:
    """Write K [3, 3] and the upper rows of world_to_camera [4, 4]."""
    for path, array in ((intrinsic, K), (extrinsic, w2c[:3])):
        save_array(path, array)


def save_array(path: Path, array: np.ndarray) -> None:
    with atomic_write(path) as file:
        np.save(file, array)
