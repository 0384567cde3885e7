"""FLAME, the head model of MPI, as a differentiable function of its parameters; and its file.

The file is FLAME 2020's `generic_model.pkl` as it is handed out, or an npz of the same keys. FLAME
2023 has the same counts but other components: where its file has lost its name, nothing in it tells
it apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hgm.body.flame_files import CONVERTED, HEAD_FILE, head_file
from hgm.body.kinematics import pose_joints, rotation_matrices, skin
from hgm.body.model_pickles import CHUMPY, SPARSE, numbers
from hgm.core.npz import read_npz
from hgm.core.pickles import load_pickle
from hgm.errors import InputError

VERTICES = 5023
FACES = 9976
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)
SHAPES = 300  # columns of the file that are shape; the rest are expression
EXPRESSIONS = 100
POSE = 3 * len(JOINTS)
FEATURE = 9 * (len(JOINTS) - 1)  # rotation matrices less the identity, of all joints but the root
SHAPE_OF: dict[str, tuple[int, ...]] = {
    "v_template": (VERTICES, 3),
    "f": (FACES, 3),
    "shapedirs": (VERTICES, 3, SHAPES + EXPRESSIONS),
    "posedirs": (VERTICES, 3, FEATURE),
    "J_regressor": (len(JOINTS), VERTICES),
    "weights": (VERTICES, len(JOINTS)),
    "kintree_table": (2, len(JOINTS)),
}
EXPECTED = (
    f"expected FLAME 2020's {HEAD_FILE} (flame.is.tue.mpg.de), since the parameters of other "
    "versions do not carry over"
)
ROUNDING = 1e-3  # by which weights may miss a sum of 1


@dataclass(frozen=True)
class HeadArrays:
    """The arrays of a FLAME file; lengths in meters, float64."""

    template: np.ndarray  # [5023, 3]
    faces: np.ndarray  # [9976, 3] int64
    shapes: np.ndarray  # [5023, 3, 300]
    expressions: np.ndarray  # [5023, 3, 100]
    pose_shapes: np.ndarray  # [36, 5023, 3], of the rotation matrices less the identity, row-major
    regressor: np.ndarray  # [5, 5023]
    weights: np.ndarray  # [5023, 5]

    @classmethod
    def of_file(cls, arrays: dict[str, np.ndarray]) -> HeadArrays:
        """From the arrays by the names and shapes of SHAPE_OF."""
        directions = arrays["shapedirs"].astype(np.float64)
        return cls(
            template=arrays["v_template"].astype(np.float64),
            faces=arrays["f"].astype(np.int64),
            shapes=directions[:, :, :SHAPES],
            expressions=directions[:, :, SHAPES:],
            pose_shapes=arrays["posedirs"].astype(np.float64).transpose(2, 0, 1),
            regressor=arrays["J_regressor"].astype(np.float64),
            weights=arrays["weights"].astype(np.float64),
        )


@dataclass(frozen=True)
class Head:
    """Heads in their pose, in the model's meters."""

    vertices: Tensor  # [..., 5023, 3]
    joints: Tensor  # [..., 5, 3]
    transforms: Tensor  # [..., 5, 4, 4], from the rest pose to the pose: skinning blends these
    pose_feature: Tensor  # [..., 36]


class HeadModel(nn.Module):
    """FLAME: called with shape [..., <=300], expression [..., <=100] and pose [..., 15], it gives a
    Head. The pose is axis-angle in radians, of root, neck, jaw, left eye and right eye."""

    template: Tensor  # [5023, 3]
    faces: Tensor  # [9976, 3] int64
    shapes: Tensor  # [5023, 3, 300]
    expressions: Tensor  # [5023, 3, 100]
    pose_shapes: Tensor  # [36, 5023, 3]
    regressor: Tensor  # [5, 5023]
    weights: Tensor  # [5023, 5]
    parents = PARENTS

    @classmethod
    def of(cls, arrays: HeadArrays, dtype: torch.dtype = torch.float32) -> HeadModel:
        model = cls()
        for name, array in vars(arrays).items():
            tensor = torch.tensor(np.ascontiguousarray(array))
            # the file is the source of these numbers: they are not part of an avatar's weights
            model.register_buffer(
                name, tensor if name == "faces" else tensor.to(dtype), persistent=False
            )
        return model

    @classmethod
    def load(cls, path: str | Path, dtype: torch.dtype = torch.float32) -> HeadModel:
        """Read a file, or the folder of one; raises InputError as `read_head` does."""
        return cls.of(read_head(path), dtype)

    def shaped(self, shape: Tensor, expression: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Heads in the rest pose without pose correctives: vertices [..., 5023, 3] and joints
        [..., 5, 3]. Raises ValueError for more coefficients than the file has."""
        vertices = self.template + _offsets(self.shapes, shape)
        if expression is not None:
            vertices = vertices + _offsets(self.expressions, expression)
        return vertices, self.regressor @ vertices

    def forward(self, shape: Tensor, expression: Tensor, pose: Tensor) -> Head:
        """Shape, correct, pose and skin (FLAME, Li et al. 2017, equations 1 to 4); differentiable
        in every parameter."""
        rest, joints = self.shaped(shape, expression)
        rotations = rotation_matrices(pose.unflatten(-1, (len(JOINTS), 3)))
        identity = torch.eye(3, dtype=pose.dtype, device=pose.device)
        feature = (rotations[..., 1:, :, :] - identity).flatten(-3)
        corrected = rest + (feature @ self.pose_shapes.flatten(1)).unflatten(-1, (VERTICES, 3))
        placed, transforms = pose_joints(rotations, joints, PARENTS)
        return Head(skin(corrected, self.weights, transforms), placed, transforms, feature)


def _offsets(basis: Tensor, coefficients: Tensor) -> Tensor:
    """The vertices' offsets [..., V, 3] by the first columns of a basis [V, 3, C]."""
    count = coefficients.shape[-1]
    if count > basis.shape[-1]:
        raise ValueError(f"{count} coefficients, the head model has {basis.shape[-1]}")
    return torch.einsum("vdc,...c->...vd", basis[..., :count], coefficients)


def read_head(path: str | Path) -> HeadArrays:
    """The arrays of FLAME 2020's pickle, or of an npz of the same keys; a folder or a file is
    given.

    Raises InputError for a file that is missing, damaged, asks for anything but arrays, is of
    another version, or lacks a key, has another shape or holds numbers that are not finite.
    """
    file = head_file(path)
    if not file.is_file():
        raise InputError(
            f"{file}: no such head model; get FLAME 2020 ({HEAD_FILE}) with an account of "
            "flame.is.tue.mpg.de; a run without a video of its own writes a free stand-in"
        )
    if "2023" in file.name:
        raise InputError(f"{file}: this is FLAME 2023 by its name; {EXPECTED}")
    data = _read(file)
    arrays = {key: _array(file, data, key) for key in SHAPE_OF}
    _check(file, arrays)
    return HeadArrays.of_file(arrays)


def _read(file: Path) -> dict[str, Any]:
    if file.suffix == CONVERTED:
        return read_npz(file, SHAPE_OF, what="head model", advice=EXPECTED)
    data = load_pickle(file, also={**SPARSE, **CHUMPY})
    if not isinstance(data, dict):
        raise InputError(f"{file}: holds a {type(data).__name__}; {EXPECTED}")
    return data


def _array(file: Path, data: dict[str, Any], key: str) -> np.ndarray:
    """One array in its expected shape, finite."""
    shape = SHAPE_OF[key]
    if key not in data:
        raise InputError(f"{file}: the key {key} is missing; {EXPECTED}")
    try:
        array = numbers(data[key], shape)
    # a damaged object can raise anything from the arrays it half describes
    except Exception as error:
        why = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{file}: {key} {why}; {EXPECTED}".splitlines()[0]) from None
    if array.shape != shape:
        raise InputError(f"{file}: {key} is {array.shape}, expected {shape}; {EXPECTED}")
    if not np.isfinite(array).all():
        raise InputError(f"{file}: {key} holds numbers that are not finite; get the file again")
    return array


def _check(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Values that have the right shape and still are no head."""
    # the root's parent is written as -1 in 32 bits without sign
    parents = arrays["kintree_table"][0].astype(np.int64).astype(np.uint32).astype(np.int32)
    if tuple(parents.tolist()) != PARENTS:
        raise InputError(
            f"{file}: kintree_table has the parents {parents.tolist()}, expected {list(PARENTS)}; "
            f"{EXPECTED}"
        )
    faces = arrays["f"]
    if faces.dtype.kind not in "iu" or faces.max() >= VERTICES or faces.min() < 0:
        raise InputError(
            f"{file}: f has corners that are no vertices, expected 0 to {VERTICES - 1}"
        )
    weights = arrays["weights"]
    if weights.min() < -ROUNDING or np.abs(weights.sum(1) - 1).max() > ROUNDING:
        raise InputError(f"{file}: weights has rows that are not shares of 1; get the file again")
