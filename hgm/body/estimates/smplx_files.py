"""Any file of SMPL-X parameters under the names of the `smplx` package, as `.npz` or `.pkl`, for
one body in our frame: y up, `global_orient` zero when facing the camera.

Rotations are axis-angle or matrices. A hand is 15 matrices, 45 numbers of axis-angle, or fewer:
coefficients of hand components. The flag `flat_hand_mean` says whether a hand's numbers are added
to the mean hand (false, as in the package) or are all of it. A file that this program wrote, told
by its keys, has coefficients only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hgm.body.estimates.arrays import as_vectors, numbers
from hgm.body.estimates.detected import FINGERS, ROTATIONS, DetectedBody
from hgm.body.joints import HANDS
from hgm.body.model import BodyModel
from hgm.body.parameters import parameters_of
from hgm.errors import InputError

TELLING = {"body_pose", "betas"}
OWN = {"source", "nu_per_metre"}  # keys of the files that this program writes


def read_smplx(path: Path, data: Mapping[str, Any], model: BodyModel) -> DetectedBody:
    """The body in a file, whose content is `data`. Face and hands may be absent: at rest."""
    arrays: dict[str, np.ndarray] = {}
    for key, count in ROTATIONS.items():
        rest = np.zeros(3 * count)
        arrays[key] = (
            _vectors(data, key, count, path) if key in data or key == "body_pose" else rest
        )
    flat = bool(numbers(data, "flat_hand_mean", path, ())) if "flat_hand_mean" in data else False
    for side, key in enumerate(HANDS):
        arrays[key] = (
            _hand(data, key, side, model, path, flat=flat) if key in data else np.zeros(3 * FINGERS)
        )
    widths = len(arrays[HANDS[0]]), len(arrays[HANDS[1]])
    if widths[0] != widths[1]:
        arrays = {
            key: np.pad(value, (0, max(widths) - len(value))) if key in HANDS else value
            for key, value in arrays.items()
        }
    arrays["betas"] = _coefficients(data, "betas", len(model.shape_basis), path)
    arrays["expression"] = (
        _coefficients(data, "expression", len(model.expression_basis), path)
        if "expression" in data
        else np.zeros(10)
    )
    # a file of this program says where its body comes from
    source = str(data["source"]) if "source" in data else path.name
    return DetectedBody(parameters_of(arrays, path), source)


def _vectors(data: Mapping[str, Any], key: str, count: int, path: Path) -> np.ndarray:
    flat = (3 * count,)
    rows = (count, 3)
    matrices = (count, 3, 3)
    array = numbers(
        data, key, path, *([flat, rows, matrices] if count > 1 else [flat, matrices, matrices[1:]])
    )
    return (
        as_vectors(array.reshape(-1, 3, 3), path, key)
        if array.shape[-2:] == (3, 3)
        else array.reshape(-1)
    )


def _hand(
    data: Mapping[str, Any], key: str, side: int, model: BodyModel, path: Path, *, flat: bool
) -> np.ndarray:
    whole = 3 * FINGERS
    array = numbers(data, key, path, (FINGERS, 3, 3), (FINGERS, 3), (None,))
    if array.size > whole and array.ndim == 1:
        raise InputError(f"{path}: {key} has {array.size} numbers, expected at most {whole}")
    if array.shape == (FINGERS, 3, 3):
        return model.exact_hand(as_vectors(array, path, key), side)
    array = array.reshape(-1)
    if OWN & set(data) or (len(array) < whole and not flat):
        return array
    basis = model.hand_bases[side].double().cpu().numpy()
    return model.exact_hand(
        array @ basis[: len(array)] if len(array) < whole else array, side, flat=flat
    )


def _coefficients(data: Mapping[str, Any], key: str, most: int, path: Path) -> np.ndarray:
    array = numbers(data, key, path, (None,))
    if len(array) > most:
        raise InputError(
            f"{path}: {key} has {len(array)} numbers, the body model's file {most}; use the file "
            "of all 300 shapes"
        )
    return array
