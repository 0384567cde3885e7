"""What the parameters of a stand-in's clip are without the errors that were asked for."""

from __future__ import annotations

import numpy as np

from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.systems.monogaussian.clip import EXPRESSION, POSE, Clip
from hgm.systems.monogaussian.layout import TRUTH


def read_truth(clip: Clip) -> tuple[np.ndarray, np.ndarray] | None:
    """The true expressions [F, 50] and poses [F, 15] of a clip of `make_clip`, float32; None where
    the clip's own are true, or nothing is known. Raises InputError for a damaged file."""
    path = clip.folder / TRUTH
    if not path.exists():
        return None
    data = read_json(path, "delete it and make the video again")
    try:
        expression, pose = (np.array(data[key], np.float32) for key in ("expression", "pose"))
        chosen = [int(name) - 1 for name in clip.names]
        return expression.reshape(-1, EXPRESSION)[chosen], pose.reshape(-1, POSE)[chosen]
    except (LookupError, TypeError, ValueError):
        raise InputError(
            f"{path}: does not hold the parameters of {len(clip)} frames; delete it and make the "
            "video again"
        ) from None
