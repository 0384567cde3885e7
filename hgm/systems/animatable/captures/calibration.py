"""The cameras of AvatarReX and THuman4.0, read and written: a JSON file with K, R, T and imgSize of
each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hgm.core.manifests import read_json, write_json
from hgm.core.npz import numbers_of
from hgm.errors import InputError
from hgm.scans.pinhole import check_center, check_pinhole, check_rotation
from hgm.systems.animatable.captures.viewpoint import Viewpoint

KEYS = {"K": 9, "R": 9, "T": 3, "imgSize": 2}
ADVICE = "copy the calibration of the data set again"
FAR = 100.0  # m; no camera is further from the origin


def read_json_cameras(path: Path) -> dict[str, Viewpoint]:
    """The cameras of a file by their names. Lens distortion is not looked at, as in the release.
    Raises InputError, which names the file, the camera and the key."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected K, R, T and imgSize of each camera")
    data = read_json(path, ADVICE)
    if not isinstance(data, dict) or not data:
        raise InputError(f"{path}: expected K, R, T and imgSize of each camera by its name")
    return {str(name): _camera(f"{path}: {name}", camera) for name, camera in data.items()}


def _camera(where: str, data: Any) -> Viewpoint:
    numbers = {}
    for key, count in KEYS.items():
        if not isinstance(data, dict) or key not in data:
            raise InputError(f"{where}: the key {key} is missing; {ADVICE}")
        array = numbers_of(data[key], f"{where}: {key}").astype(np.float64).ravel()
        if array.size != count or not np.isfinite(array).all():
            raise InputError(
                f"{where}: {key} holds {array.size} numbers, expected {count} finite ones; {ADVICE}"
            )
        numbers[key] = array
    w2c = np.eye(4)
    w2c[:3, :3] = numbers["R"].reshape(3, 3)
    w2c[:3, 3] = numbers["T"]
    width, height = (int(number) for number in numbers["imgSize"])
    return checked(where, numbers["K"].reshape(3, 3), w2c, width, height)


def checked(where: str, K: np.ndarray, w2c: np.ndarray, width: int, height: int) -> Viewpoint:
    """A camera whose numbers can be one. Raises InputError, which begins with `where`."""
    if min(width, height) < 1:
        raise InputError(f"{where}: a picture of {width} x {height} pixels; {ADVICE}")
    check_pinhole(where, K)
    check_center(where, K, (width, height))
    check_rotation(where, w2c)
    if np.linalg.norm(w2c[:3, 3]) > FAR:
        raise InputError(
            f"{where}: the camera is {np.linalg.norm(w2c[:3, 3]):.0f} away from the origin, "
            "expected meters; millimeters have to be divided by 1000, as transl of the body"
        )
    return Viewpoint(K, w2c, width, height)


def write_json_cameras(path: Path, cameras: Mapping[str, Viewpoint]) -> None:
    """Write cameras as `read_json_cameras` reads them, to the last bit."""
    write_json(
        path,
        {
            name: {
                "K": view.K.ravel().tolist(),
                "R": view.world_to_camera[:3, :3].ravel().tolist(),
                "T": view.world_to_camera[:3, 3].tolist(),
                "imgSize": [view.width, view.height],
                "distCoeff": [0.0] * 5,
            }
            for name, view in cameras.items()
        },
    )
