"""ActorsHQ at a quarter of its size, on which the paper trains."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hgm.errors import InputError
from hgm.geometry.rotations import rotation_matrix
from hgm.systems.animatable.captures.calibration import ADVICE, checked
from hgm.systems.animatable.captures.viewpoint import Viewpoint
from hgm.systems.animatable.layout import CALIBRATION

SCALE = "4x"  # the folder of these pictures
COLUMNS = ("w", "h", "rx", "ry", "rz", "tx", "ty", "tz", "fx", "fy", "px", "py")


class ActorsHQ:
    """`4x/rgbs/CamXXX/CamXXX_rgb%06d.jpg`, `4x/masks/CamXXX/CamXXX_mask%06d.png` and
    4x/calibration.csv.

    A row of the table is a camera: w and h of its pictures in pixels, r the turn from camera to
    world as a rotation vector, t its center in the world in meters, f and p as shares of w and h.
    """

    calibration = CALIBRATION["actorshq"]

    def image(self, camera: str, frame: int) -> str:
        return f"{SCALE}/rgbs/{camera}/{camera}_rgb{frame:06d}.jpg"

    def mask(self, camera: str, frame: int) -> str:
        return f"{SCALE}/masks/{camera}/{camera}_mask{frame:06d}.png"

    def pictured(self, root: Path) -> set[str]:
        return {path.name for path in root.glob(f"{SCALE}/rgbs/*") if path.is_dir()}

    def viewpoints(self, root: Path) -> Mapping[str, Viewpoint]:
        return read_table_cameras(root / self.calibration)


def read_table_cameras(path: Path) -> dict[str, Viewpoint]:
    """The cameras of a calibration.csv by their names. Raises InputError, which names the file, the
    camera and the column."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a table name,{','.join(COLUMNS)}")
    try:
        rows = list(csv.DictReader(path.read_text().splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a readable table ({error}); {ADVICE}") from None
    if not rows:
        raise InputError(f"{path}: holds no camera; {ADVICE}")
    return dict(_camera(path, number, row) for number, row in enumerate(rows, 1))


def _camera(path: Path, number: int, row: Mapping[str, str | None]) -> tuple[str, Viewpoint]:
    """The name and the numbers of a row."""
    name = row.get("name")
    if not name:
        raise InputError(f"{path}: row {number}: the column name is missing; {ADVICE}")
    values = {}
    for column in COLUMNS:
        try:
            values[column] = float(row[column] or "")
        except (KeyError, ValueError, TypeError):
            raise InputError(
                f"{path}: {name}: the column {column} is {row.get(column)!r:.40}, expected a "
                f"number; {ADVICE}"
            ) from None
    if not np.isfinite(list(values.values())).all():
        raise InputError(f"{path}: {name}: holds numbers that are not finite; {ADVICE}")
    width, height = values["w"], values["h"]
    K = np.array(
        [
            [values["fx"] * width, 0.0, values["px"] * width],
            [0.0, values["fy"] * height, values["py"] * height],
            [0.0, 0.0, 1.0],
        ]
    )
    turn = rotation_matrix(np.array([values[f"r{axis}"] for axis in "xyz"]))
    center = np.array([values[f"t{axis}"] for axis in "xyz"])
    w2c = np.eye(4)
    w2c[:3, :3] = turn.T
    w2c[:3, 3] = -turn.T @ center
    return name, checked(f"{path}: {name}", K, w2c, int(width), int(height))
