"""PyMAF-X's `output.pkl` for a folder of photos (HongwenZhang/PyMAF-X at a6fef4d,
apps/demo_smplx.py).

A file of joblib: one entry a person in `person_ids` (`<photo>_f<frame>_p<person>`), `pred_cam` (s,
tx, ty), `bboxes` (center x and y, width and height of the square crop, in pixels) and `smplx_verts`
in meters, y down; `smplx_params` is a list of batches of rotation matrices by name, the body's 21
joints after the whole body's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hgm.body.estimates.arrays import numbers
from hgm.body.estimates.detected import FINGERS, DetectedBody, WeakPerspective, detected_body
from hgm.body.joints import HANDS
from hgm.body.model import VERTICES, BodyModel
from hgm.errors import InputError

TELLING = {"person_ids", "smplx_params"}
# of `body_pose`; files of SMPL's 24 joints end with two hands that SMPL-X has no such joints for
JOINTS = 22
COUNTS = {"jaw_pose": 1, "leye_pose": 1, "reye_pose": 1, **{hand: FINGERS for hand in HANDS}}


def read_pymafx(
    path: Path, data: Mapping[str, Any], model: BodyModel, subject: str
) -> DetectedBody:
    """The body of the first person of the photo that is called `subject`."""
    index = person_of(data, path, subject)
    rows = {key: _row(data, key, index, path) for key in ("pred_cam", "bboxes", "smplx_verts")}
    poses = {key: _pose(data["smplx_params"], key, index, path) for key in ("body_pose", *COUNTS)}
    body = numbers(poses, "body_pose", path, (JOINTS, 3, 3), (JOINTS + 2, 3, 3))
    matrices = {
        "global_orient": body[:1],
        "body_pose": body[1:JOINTS],
        **{key: numbers(poses, key, path, (count, 3, 3)) for key, count in COUNTS.items()},
    }
    box = numbers(rows, "bboxes", path, (4,))
    camera = WeakPerspective.of_crop(numbers(rows, "pred_cam", path, (3,)), box[:2], box[2] / 2)
    return detected_body(
        matrices,
        numbers(rows, "smplx_verts", path, (VERTICES, 3)),
        camera,
        model,
        source="PyMAF-X",
        path=path,
    )


def person_of(data: Mapping[str, Any], path: Path, subject: str) -> int:
    """The place in all lists of the first person of the photo that is called `subject`. Raises
    InputError where it has nobody."""
    people = [str(name) for name in data["person_ids"]]
    index = next((i for i, name in enumerate(people) if name.rsplit("_f", 1)[0] == subject), None)
    if index is None:
        raise InputError(
            f"{path}: person_ids has nobody of photo {subject}, only "
            f"{', '.join(people[:3]) or 'nobody at all'}; name the photos after the subjects"
        )
    return index


def _row(data: Mapping[str, Any], key: str, index: int, path: Path) -> Any:
    if key not in data:
        raise InputError(f"{path}: the key {key} is missing")
    if not isinstance(data[key], np.ndarray) or data[key].ndim == 0 or len(data[key]) <= index:
        raise InputError(f"{path}: {key} is no array with a row for each of person_ids")
    return data[key][index]


def _pose(batches: Any, key: str, index: int, path: Path) -> Any:
    """The entry of one person in batches of people."""
    for batch in batches if isinstance(batches, list) else []:
        if not isinstance(batch, Mapping) or not isinstance(batch.get(key), np.ndarray):
            raise InputError(f"{path}: the key {key} is missing in smplx_params")
        if index < len(batch[key]):
            return batch[key][index]
        index -= len(batch[key])
    raise InputError(f"{path}: smplx_params has fewer people than person_ids")
