"""Fits of the body to scans, as data sets publish them: THuman2.0, THuman2.1 and CustomHumans.

The format is recognized from the file: a pickle or JSON, its keys and the number of values of a
hand. The result is the same kind of fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.joints import HAND_WIDTH, HANDS
from hgm.body.joints import WIDTHS as ROTATIONS
from hgm.body.model import GENDERS, BodyModel
from hgm.body.parameters import BodyParameters, parameters_of
from hgm.core.npz import numbers_of
from hgm.core.pickles import load_pickle
from hgm.errors import InputError

COMPONENTS = 12  # of a hand that is not given as rotations
WIDTHS: dict[str, tuple[int, ...]] = {
    "betas": (10,),
    "expression": (10,),
    **{name: (width,) for name, width in ROTATIONS.items()},
    **dict.fromkeys(HANDS, (COMPONENTS, HAND_WIDTH)),
}


@dataclass(frozen=True)
class Fit:
    """A body's place in a scan: scan vertices are model(params).vertices * scale + translation."""

    params: BodyParameters  # unbatched, float32
    scale: float  # scan units per meter
    translation: Tensor  # [3] float64, scan units

    def to_scan(self, points: Tensor) -> Tensor:
        """Points [..., 3] of the body model in meters -> scan units."""
        return points * self.scale + self.translation.to(points)

    def from_scan(self, points: Tensor) -> Tensor:
        """Points [..., 3] in scan units -> meters of the body model (before its global orientation
        is undone)."""
        return (points - self.translation.to(points)) / self.scale


def load_fit(path: str | Path, model: BodyModel) -> Fit:
    """Read the fit of a scan: `smplx_param.pkl` of THuman2.0 or THuman2.1, or the JSON file of
    CustomHumans.

    `model` is the body model of the data set. Raises InputError with the file and the key for what
    is missing, misshapen or not finite, and for a fit of another gender's model.
    """
    return _custom_humans(path, model) if Path(path).suffix == ".json" else _thuman(path, model)


def thuman_numbers(
    path: str | Path, gender: str | None
) -> tuple[dict[str, np.ndarray], float, np.ndarray]:
    """A pickled dict of arrays [1, n], read without trusting it: SMPL-X arrays, scale and
    translation [3] in scan units. `gender` is that of the body model that takes them, None where
    nothing says it.

    The fits of 2022 (THuman2.0) have `translation` in scan units, added after scaling, and 12 hand
    components of the male model. Those of May 2024, made for 0000 to 2444 (THuman2.1), have
    `transl` in meters, added before scaling, and hands as 15 rotations of the neutral model,
    relative to its mean hand (`use_pca=False`, `flat_hand_mean=False`). Scans up to 0525 and from
    0526 on are two batches whose frames and scales differ (authors in issues 23 and 24 of
    ytrock/THuman2.0-Dataset); scale and place of each scan are in its fit, so nothing else depends
    on the batch. A fit of somebody's own that is of another model says so under the key `gender`.
    Raises InputError with the file and the key for what is missing, misshapen or not finite, and
    for another gender.
    """
    data = load_pickle(path)
    if not isinstance(data, dict):
        raise InputError(
            f"{path}: holds a {type(data).__name__}, expected a dict of SMPL-X parameters"
        )
    arrays = {key: _numbers(data, key, widths, path) for key, widths in WIDTHS.items()}
    scale = _finite(data, "scale", path)
    if scale.size != 1 or scale.item() <= 0:
        raise InputError(f"{path}: scale must be one positive number, got {scale.tolist()}")
    early = "translation" in data or "transl" not in data
    _require_gender(
        gender,
        _own_gender(data, path) or ("male" if early else "neutral"),
        path,
        "of 2022" if early else "of May 2024",
    )
    key = "translation" if early else "transl"
    translation = _finite(data, key, path)
    if translation.size != 3:
        raise InputError(f"{path}: {key} is {translation.shape}, expected (3,)")
    return arrays, scale.item(), translation.reshape(3) * (1.0 if early else scale.item())


def _thuman(path: str | Path, model: BodyModel) -> Fit:
    arrays, scale, translation = thuman_numbers(path, model.gender)
    return Fit(
        _parameters(arrays, model, path, flat_hands=False),
        scale,
        torch.from_numpy(translation.copy()),
    )


def _custom_humans(path: str | Path, model: BodyModel) -> Fit:
    """A dict of flat lists: male model, 12 hand components about a flat hand
    (`flat_hand_mean=True`). The scan is in meters, its person faces +z with the pelvis joint of the
    body at the origin; `global_orient` and `transl` have no part in that
    (custom-humans/editable-humans, tools/load_json_to_smplx.py)."""
    try:
        data = json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from None
    if not isinstance(data, dict):
        raise InputError(
            f"{path}: holds a {type(data).__name__}, expected an object with SMPL-X parameters"
        )
    _require_gender(model.gender, "male", path, "of CustomHumans")
    data["global_orient"] = [0.0] * 3
    arrays = {key: _numbers(data, key, widths, path) for key, widths in WIDTHS.items()}
    params = _parameters(arrays, model, path, flat_hands=True)
    with torch.no_grad():
        pelvis = model.shaped(params.betas)[1][0]
    return Fit(params, 1.0, -pelvis.double())


def _own_gender(data: Mapping[str, object], path: str | Path) -> str | None:
    """What a fit says itself of its model."""
    if "gender" not in data:
        return None
    gender = str(np.asarray(data["gender"]).reshape(-1)[:1].squeeze()).lower()
    if gender not in GENDERS:
        raise InputError(f"{path}: gender is {gender!r:.40}, expected one of {', '.join(GENDERS)}")
    return gender


def _require_gender(given: str | None, needed: str, path: str | Path, release: str) -> None:
    """Raise InputError where the body model is not that of the fit: the same numbers make another
    body with it."""
    if given not in (None, needed):
        raise InputError(
            f"{path}: a fit {release}, which is of the {needed} body model, not of the {given} "
            f"one; set scans.gender to {needed}, or scans.test_gender where the test scans are of "
            "another data set"
        )


def _parameters(
    arrays: Mapping[str, np.ndarray], model: BodyModel, path: str | Path, *, flat_hands: bool
) -> BodyParameters:
    """Parameters whose hands are coefficients about the model's mean hand, whatever the file's are.
    A hand of 12 coefficients about the mean stays as it is; the others become 45, which hold any
    rotations exactly."""
    converted = dict(arrays)
    for side, key in enumerate(HANDS):
        hand = arrays[key]
        if len(hand) == COMPONENTS and not flat_hands:
            continue
        basis = model.hand_bases[side].double().cpu().numpy()
        rotations = hand @ basis[:COMPONENTS] if len(hand) == COMPONENTS else hand
        converted[key] = model.exact_hand(rotations, side, flat=flat_hands)
    return parameters_of(converted, path)


def _numbers(
    data: Mapping[str, object], key: str, widths: tuple[int, ...], path: str | Path
) -> np.ndarray:
    """The finite float64 numbers [n] under a key, n one of `widths`; the file may have a leading
    dimension of 1."""
    array = _finite(data, key, path)
    if array.shape not in [shape for width in widths for shape in ((1, width), (width,))]:
        raise InputError(
            f"{path}: {key} is {array.shape}, expected (1, {' or '.join(map(str, widths))})"
        )
    return array.reshape(-1)


def _finite(data: Mapping[str, object], key: str, path: str | Path) -> np.ndarray:
    """The finite float64 numbers under a key."""
    if key not in data:
        raise InputError(f"{path}: the key {key} is missing; expected the SMPL-X fit of a scan")
    array = numbers_of(data[key], f"{path}: {key}").astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {key} holds numbers that are not finite; this fit is unusable")
    return array
