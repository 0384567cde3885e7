"""PIXIE's files for one photo (yfeng95/PIXIE at 5c8879b, demos/demo_fit_body.py).

`<name>_param.pkl`, of `--saveParam`: rotation matrices of all joints but the eyes, relative to the
parent after decoding, 200 shape and 50 expression coefficients of the neutral model of 2020, the
camera `body_cam` (s, tx, ty) and `bbox`, the detector's box (left, top, right, bottom) in pixels.
`<name>_prediction.pkl`, of `--savePred`: the posed `vertices` in meters, y down.
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
from hgm.core.pickles import load_pickle
from hgm.errors import InputError

PARAM = "_param.pkl"
PREDICTION = "_prediction.pkl"
TELLING = {"partbody_pose", "body_cam"}
NAMES = {
    "global_orient": ("global_pose", 1),
    "body_pose": ("body_pose", 21),
    "jaw_pose": ("jaw_pose", 1),
    **{hand: (hand, FINGERS) for hand in HANDS},
}
# the crop's edge over that of the box, and in pixels of the network's input
MARGIN = 1.1
CROP = 224


def read_pixie(path: Path, data: Mapping[str, Any], model: BodyModel) -> DetectedBody:
    """The body in `<name>_param.pkl`, whose content is `data`, and in the prediction beside it."""
    vertices = predicted_vertices(path)
    matrices = {
        ours: numbers(data, theirs, path, (count, 3, 3)) for ours, (theirs, count) in NAMES.items()
    }
    center, half = crop(numbers(data, "bbox", path, (4,)))
    camera = WeakPerspective.of_crop(numbers(data, "body_cam", path, (3,)), center, half)
    return detected_body(matrices, vertices, camera, model, source="PIXIE", path=path)


def predicted_vertices(path: Path) -> np.ndarray:
    """The vertices [10475, 3] in the prediction beside `<name>_param.pkl`. Raises InputError where
    it is missing or damaged."""
    beside = path.with_name(path.name.removesuffix(PARAM) + PREDICTION)
    if not beside.is_file():
        raise InputError(
            f"{path}: {beside.name} is not beside it; run PIXIE with --saveParam True --savePred "
            "True"
        )
    prediction = load_pickle(beside)
    if not isinstance(prediction, dict):
        raise InputError(
            f"{beside}: holds a {type(prediction).__name__}, expected PIXIE's predictions by name"
        )
    return numbers(prediction, "vertices", beside, (VERTICES, 3))


def crop(box: np.ndarray) -> tuple[np.ndarray, float]:
    """Center [2] and half edge, in pixels of the photo, of the square [-1, 1] that PIXIE's camera
    sees for a detector's box.

    Its crop puts 223 pixel steps on the square about the box, whose edge is cut to whole pixels,
    and its projection spreads [-1, 1] over 224 (`recover_position` of its visualizer).
    """
    low = box[:2]
    high = box[2:]
    edge = int((high - low).max() * MARGIN)
    half = CROP / 2 * edge / (CROP - 1)
    return (low + high) / 2 - edge / 2 + half, half
