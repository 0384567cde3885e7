"""What the parameters of a stand-in's clip are without the errors that were asked for."""

from __future__ import annotations

import numpy as np

from hgm.core.manifests import read_json
from hgm.core.npz import numbers_of
from hgm.errors import InputError
from hgm.systems.monogaussian.clip import EXPRESSION, POSE, Clip
from hgm.systems.monogaussian.layout import TRUTH

ADVICE = "delete it and make the video again"


def read_truth(clip: Clip) -> tuple[np.ndarray, np.ndarray] | None:
    """The true expressions [F, 50] and poses [F, 15] of a clip of `make_clip`, float32; None where
    the clip's own are true, or nothing is known. Raises InputError for a damaged file."""
    path = clip.folder / TRUTH
    if not path.exists():
        return None
    data = read_json(path, ADVICE)
    chosen = [int(name) - 1 for name in clip.names]
    tables = []
    for key, width in (("expression", EXPRESSION), ("pose", POSE)):
        if not isinstance(data, dict) or key not in data:
            raise InputError(f"{path}: the key {key} is missing; {ADVICE}")
        with np.errstate(over="ignore"):
            table = numbers_of(data[key], f"{path}: {key}").astype(np.float32)
        if table.ndim != 2 or table.shape[1] != width or len(table) <= max(chosen):
            raise InputError(
                f"{path}: {key} is {list(table.shape)}, expected {width} numbers of each of "
                f"{max(chosen) + 1} frames; {ADVICE}"
            )
        if not np.isfinite(table).all():
            raise InputError(f"{path}: {key} holds numbers that are not finite; {ADVICE}")
        tables.append(table[chosen])
    expression, pose = tables
    return expression, pose
