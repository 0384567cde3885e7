"""A body on disk, `smplx.npz`: that of a scan in its view folder, and that of a test subject or a
photo, estimated or refined.

The keys are the parameters of SMPL-X (`hgm.body.parameters`) and the arguments of `save_body`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hgm.body.canonical import CanonicalBody
from hgm.body.model import JOINTS, VERTICES
from hgm.body.parameters import BodyParameters
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError

BODY_FILE = "smplx.npz"  # in the folder of a person or of the views of a scan


def save_body(
    path: Path,
    params: BodyParameters,
    *,
    vertices: Tensor,
    joints: Tensor,
    nu_per_metre: float | None = None,
    source: str | None = None,
    scale: float | None = None,
    translation: np.ndarray | None = None,
    keypoints: np.ndarray | None = None,
) -> None:
    """Write a `smplx.npz`: unbatched parameters, vertices [10475, 3] and joints [55, 3] in
    normalized units.

    A view folder adds `nu_per_metre`, the size of a meter of the person in normalized units. A
    subject adds `source`, who estimated the body, `scale` and `translation` [3], which take the
    model's meters to normalized units, and `keypoints` [33, 3] where landmarks were seen: x and y
    in widths of the picture, and visibility.
    """
    optional = {
        "nu_per_metre": nu_per_metre,
        "source": source,
        "scale": scale,
        "translation": translation,
        "keypoints": keypoints,
    }
    params.save_npz(
        path,
        vertices=vertices.cpu().numpy(),
        joints=joints.cpu().numpy(),
        **{key: value for key, value in optional.items() if value is not None},
    )


def load_body(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `smplx.npz`. Raises InputError when it cannot be read or lacks vertices."""
    arrays = read_npz(path, what="body", advice="run the stage that makes it again")
    if arrays.get("vertices", np.zeros(0)).shape[-1:] != (3,):
        raise InputError(f"{path}: has no vertices [{VERTICES}, 3]")
    return arrays


def parameters(path: Path) -> BodyParameters:
    """The SMPL-X parameters of one body in a `smplx.npz`, unbatched. Raises InputError for a file
    of several."""
    params = BodyParameters.from_npz(path)
    if params.shape.numel() != 1:
        raise InputError(f"{path}: holds {params.shape.numel()} bodies, expected one")
    return params.map(lambda x: x.reshape(-1))


@dataclass(frozen=True)
class PlacedBody:
    """A person's body in normalized units, pelvis at the origin, facing +z, and its parameters."""

    params: BodyParameters  # unbatched
    body: CanonicalBody  # unbatched

    def save(self, path: Path) -> None:
        """Write the `smplx.npz` of a view folder."""
        canonical = self.params.replace(global_orient=torch.zeros_like(self.params.global_orient))
        save_body(
            path,
            canonical,
            vertices=self.body.vertices,
            joints=self.body.joints,
            nu_per_metre=float(self.body.nu_per_metre),
        )

    @classmethod
    def load(cls, path: Path) -> PlacedBody:
        """Read the `smplx.npz` of a view folder. Raises InputError."""
        params = BodyParameters.from_npz(path)
        shapes: dict[str, tuple[int, ...]] = {
            "vertices": (VERTICES, 3),
            "joints": (JOINTS, 3),
            "nu_per_metre": (),
        }
        found = read_npz(path, shapes)
        for key, shape in shapes.items():
            numbers = numbers_of(found[key], f"{path}: {key}") if key in found else np.zeros(0)
            if numbers.shape != shape or not np.isfinite(numbers.astype(np.float32)).all():
                raise InputError(
                    f"{path}: {key} is missing or not {shape} finite numbers; expected the body "
                    "of a view folder"
                )
        vertices, joints, meter = (
            torch.from_numpy(np.asarray(found[k], np.float32)) for k in shapes
        )
        return cls(params, CanonicalBody(vertices, joints, meter))
