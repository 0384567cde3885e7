"""Fits of the body to scans, as data sets publish them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.parameters import BodyParameters, parameters_of
from hgm.body.pickles import load_pickle
from hgm.errors import InputError

HAND_WIDTHS = (12, 45)  # THuman2.0 and THuman2.1
WIDTHS: dict[str, tuple[int, ...]] = {
    "betas": (10,), "expression": (10,), "global_orient": (3,), "body_pose": (63,), "jaw_pose": (3,), "leye_pose": (3,),
    "reye_pose": (3,), "left_hand_pose": HAND_WIDTHS, "right_hand_pose": HAND_WIDTHS,
}


@dataclass(frozen=True)
class ThumanFit:
    """One `smplx_param.pkl`: scan vertices are model(params).vertices * scale + translation, male model."""

    params: BodyParameters  # unbatched, float32
    scale: float  # scan units per metre
    translation: Tensor  # [3] float64, scan units

    def to_scan(self, points: Tensor) -> Tensor:
        """Points [..., 3] of the body model in metres -> scan units."""
        return points * self.scale + self.translation.to(points)

    def from_scan(self, points: Tensor) -> Tensor:
        """Points [..., 3] in scan units -> metres of the body model (before its global orientation is undone)."""
        return (points - self.translation.to(points)) / self.scale


def load_thuman_fit(path: str | Path) -> ThumanFit:
    """Read THuman2.0's `smplx_param.pkl`, a pickled dict of arrays [1, n], without trusting it.

    The hand width (12, or 45 in THuman2.1) is that of the file. Raises InputError with the file and the key for what
    is missing, misshapen or not finite, and for a scale that is not positive.
    """
    data = load_pickle(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds a {type(data).__name__}, expected a dict of SMPL-X parameters")
    arrays = {}
    for key, widths in WIDTHS.items():
        array = _numbers(data, key, path)
        if array.shape not in [shape for width in widths for shape in ((1, width), (width,))]:
            raise InputError(f"{path}: {key} is {array.shape}, expected (1, {' or '.join(map(str, widths))})")
        arrays[key] = array.reshape(-1)
    scale, translation = _numbers(data, "scale", path), _numbers(data, "translation", path)
    if scale.size != 1 or scale.item() <= 0:
        raise InputError(f"{path}: scale must be one positive number, got {scale.tolist()}")
    if translation.size != 3:
        raise InputError(f"{path}: translation is {translation.shape}, expected (3,)")
    return ThumanFit(parameters_of(arrays, path), scale.item(), torch.from_numpy(translation.reshape(3).copy()))


def _numbers(data: dict[str, object], key: str, path: str | Path) -> np.ndarray:
    """The finite float64 numbers under a key."""
    if key not in data:
        raise InputError(f"{path}: the key {key} is missing; expected a SMPL-X fit of THuman2.0")
    try:
        array = np.asarray(data[key], np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{path}: {key} does not hold numbers") from None
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {key} holds numbers that are not finite; this fit is unusable")
    return array
