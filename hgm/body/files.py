"""A body on disk, `smplx.npz`: its vertices in the world, its parameters and their source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hgm.body.parameters import BodyParameters
from hgm.core.npz import read_npz
from hgm.errors import InputError


def save_body(
    path: Path,
    params: BodyParameters,
    *,
    vertices: Tensor,
    joints: Tensor,
    source: str,
    **more: Any,
) -> None:
    """`smplx.npz` of a subject: parameters, vertices [10475, 3] and joints [55, 3] in normalized
    units, where it comes from."""
    params.save_npz(
        path,
        vertices=vertices.cpu().numpy(),
        joints=joints.cpu().numpy(),
        source=np.array(source),
        **more,
    )


def load_body(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `smplx.npz`. Raises InputError when it cannot be read or lacks vertices."""
    arrays = read_npz(path, what="body", advice="run the stage that makes it again")
    if arrays.get("vertices", np.zeros(0)).shape[-1:] != (3,):
        raise InputError(f"{path}: has no vertices [10475, 3]")
    return arrays


def parameters(path: Path) -> BodyParameters:
    """The SMPL-X parameters of one body in a `smplx.npz`, unbatched. Raises InputError for a file
    of several."""
    params = BodyParameters.from_npz(path)
    if params.shape.numel() != 1:
        raise InputError(f"{path}: holds {params.shape.numel()} bodies, expected one")
    return params.map(lambda x: x.reshape(-1))
