"""SMPL-X as a differentiable function of its parameters, computed with the `smplx` package's own
skinning functions.

The package's model classes do not return the joint transforms and take one batch dimension; its
functions give both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hgm.body.parameters import BodyParameters
from hgm.core.npz import read_npz
from hgm.errors import InputError, MissingDependency

VERTICES = 10475
FACES = 20908
JOINTS = 55
BODY_JOINTS = 22  # pelvis … wrists come first
SHAPE_COLUMNS = 300  # of the full file; a reduced file holds 10 shape and 10 expression columns
GENDERS = ("neutral", "male", "female")
SHAPES: dict[str, tuple[int | None, ...]] = {
    "v_template": (VERTICES, 3),
    "f": (FACES, 3),
    "shapedirs": (VERTICES, 3, None),
    "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
    "J_regressor": (JOINTS, VERTICES),
    "weights": (VERTICES, JOINTS),
    "kintree_table": (2, JOINTS),
    "hands_meanl": (45,),
    "hands_meanr": (45,),
    "hands_componentsl": (45, 45),
    "hands_componentsr": (45, 45),
}


@dataclass(frozen=True)
class PosedBody:
    """Posed bodies in meters."""

    vertices: Tensor  # [..., 10475, 3]
    joints: Tensor  # [..., 55, 3]
    # [..., 55, 4, 4], joint by joint from the rest pose to the pose: skinning blends these
    transforms: Tensor


class BodyModel(nn.Module):
    """One SMPL-X file. Called with BodyParameters of batch shape [...], it gives a PosedBody of
    that batch shape."""

    v_template: Tensor  # [10475, 3]
    faces: Tensor  # [20908, 3] int64
    shape_basis: Tensor  # [S, 10475 * 3]
    expression_basis: Tensor  # [E, 10475 * 3]
    pose_basis: Tensor  # [486, 10475 * 3]
    joint_regressor: Tensor  # [55, 10475]
    skinning_weights: Tensor  # [10475, 55]
    parents: Tensor  # [55] int64, -1 for the pelvis
    hand_means: Tensor  # [2, 45] left, right; axis-angle
    hand_bases: Tensor  # [2, 45, 45] left, right; a row is a component

    def __init__(
        self, arrays: dict[str, np.ndarray], *, hand_components: int = 12, gender: str | None = None
    ) -> None:
        """From the arrays of an SMPL-X file (shapes in SHAPES); use `load` for files. `gender` is
        None where nothing says it."""
        super().__init__()
        from smplx.joint_names import JOINT_NAMES

        self.hand_components = hand_components
        self.gender = gender
        self.joint_names: tuple[str, ...] = tuple(JOINT_NAMES[:JOINTS])
        directions = arrays["shapedirs"].reshape(VERTICES * 3, -1).T
        split = SHAPE_COLUMNS if len(directions) > SHAPE_COLUMNS else 10
        parents = arrays["kintree_table"][0].astype(np.int64)
        parents[0] = -1

        def keep(name: str, array: np.ndarray, dtype: type = np.float32) -> None:
            # The file is the source of these numbers: they are not part of a network's weights.
            self.register_buffer(
                name, torch.from_numpy(np.ascontiguousarray(array, dtype)), persistent=False
            )

        keep("v_template", arrays["v_template"])
        keep("faces", arrays["f"], np.int64)
        keep("shape_basis", directions[:split])
        keep("expression_basis", directions[split:])
        keep("pose_basis", arrays["posedirs"].reshape(VERTICES * 3, -1).T)
        keep("joint_regressor", arrays["J_regressor"])
        keep("skinning_weights", arrays["weights"])
        keep("parents", parents, np.int64)
        keep("hand_means", np.stack([arrays["hands_meanl"], arrays["hands_meanr"]]))
        keep("hand_bases", np.stack([arrays["hands_componentsl"], arrays["hands_componentsr"]]))

    @classmethod
    def load(
        cls, models: str | Path, gender: str = "male", *, hand_components: int = 12
    ) -> BodyModel:
        """Read `models/smplx/SMPLX_<GENDER>.npz`. THuman2.0's fits use the male file for everybody.

        `hand_components` is the hand width of `zeros` and `hand_coefficients`; calls take any
        width. Raises InputError when the file is missing or is not SMPL-X, MissingDependency
        without the `smplx` package.
        """
        if gender not in GENDERS:
            raise InputError(f"gender: {gender!r} is not one of {', '.join(GENDERS)}")
        try:
            import smplx  # noqa: F401
        except ImportError:
            raise MissingDependency(
                "the package smplx is missing; get it with: pip install smplx==0.1.28"
            ) from None
        return cls(
            read_model(Path(models) / "smplx" / f"SMPLX_{gender.upper()}.npz"),
            hand_components=hand_components,
            gender=gender,
        )

    @property
    def device(self) -> torch.device:
        """Where the model is: parameters have to be there, and bodies are made there."""
        return self.v_template.device

    def zeros(self, batch: int | tuple[int, ...] = ()) -> BodyParameters:
        """The mean body in its rest pose, on the model's device."""
        return BodyParameters.zeros(batch, hand_components=self.hand_components, device=self.device)

    def shaped(self, betas: Tensor, expression: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bodies in the rest pose: vertices [..., 10475, 3] and joints [..., 55, 3] in meters, from
        betas [..., S] and expression [..., E]; without pose correctives."""
        offsets = betas @ self._columns("shape_basis", betas)
        if expression is not None:
            offsets = offsets + expression @ self._columns("expression_basis", expression)
        vertices = self.v_template + offsets.unflatten(-1, (VERTICES, 3))
        return vertices, self.joint_regressor @ vertices

    def rotations(self, params: BodyParameters) -> Tensor:
        """The axis-angle rotation of every joint relative to its parent, [..., 55, 3]."""
        hands = [
            pose @ self.hand_bases[i, : pose.shape[-1]] + self.hand_means[i]
            for i, pose in enumerate((params.left_hand_pose, params.right_hand_pose))
        ]
        parts = [
            params.global_orient,
            params.body_pose,
            params.jaw_pose,
            params.leye_pose,
            params.reye_pose,
            *hands,
        ]
        return torch.cat(
            [part.expand(*params.shape, part.shape[-1]) for part in parts], -1
        ).unflatten(-1, (JOINTS, 3))

    def forward(self, params: BodyParameters) -> PosedBody:
        """Shape, correct, pose and skin (SMPL-X, equations 1 to 4); differentiable in every
        parameter."""
        from smplx.lbs import batch_rigid_transform, batch_rodrigues

        lead = params.shape
        shaped, joints = self.shaped(params.betas, params.expression)
        shaped = shaped.expand(*lead, VERTICES, 3).reshape(-1, VERTICES, 3)
        joints = joints.expand(*lead, JOINTS, 3).reshape(-1, JOINTS, 3)
        rotations = batch_rodrigues(self.rotations(params).reshape(-1, 3)).unflatten(
            0, (-1, JOINTS)
        )
        feature = (
            rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        ).flatten(1)
        corrected = shaped + (feature @ self.pose_basis).unflatten(-1, (VERTICES, 3))
        posed_joints, transforms = batch_rigid_transform(
            rotations, joints, self.parents, dtype=rotations.dtype
        )
        # [B, 10475, 3, 4]
        blended = (self.skinning_weights @ transforms[:, :, :3].flatten(2)).unflatten(-1, (3, 4))
        vertices = (blended[..., :3] @ corrected[..., None])[..., 0] + blended[..., 3]
        return PosedBody(
            vertices.unflatten(0, lead) if lead else vertices[0],
            posed_joints.unflatten(0, lead) if lead else posed_joints[0],
            transforms.unflatten(0, lead) if lead else transforms[0],
        )

    def hand_coefficients(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Hand rotations [..., 45] (15 joints, axis-angle) -> the nearest `hand_components`
        coefficients of each."""
        bases = self.hand_bases[:, : self.hand_components]
        inverse = torch.linalg.pinv(bases.double()).to(bases.dtype)  # [2, 45, H]
        return (left - self.hand_means[0]) @ inverse[0], (right - self.hand_means[1]) @ inverse[1]

    def exact_hand(self, rotations: np.ndarray, side: int, *, flat: bool = True) -> np.ndarray:
        """Hand rotations [..., 45] (side 0 left, 1 right) -> the 45 coefficients [..., 45] float64
        that give exactly these.

        `flat`: the rotations are whole, else what is added to the mean hand.
        """
        basis, mean = (x[side].double().cpu().numpy() for x in (self.hand_bases, self.hand_means))
        offsets = rotations - mean if flat else rotations
        return np.linalg.solve(basis.T, offsets[..., None])[..., 0]

    def _columns(self, name: str, coefficients: Tensor) -> Tensor:
        basis: Tensor = getattr(self, name)
        if coefficients.shape[-1] > len(basis):
            raise ValueError(
                f"{coefficients.shape[-1]} coefficients for {name}, the model file has {len(basis)}"
            )
        return basis[: coefficients.shape[-1]]


def _matches(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        e in (None, n) for e, n in zip(expected, shape, strict=True)
    )


def read_model(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an SMPL-X npz that the model needs; objects in the file are never unpickled.

    Raises InputError when the file is missing, unreadable, or a key is missing or has another
    shape.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such body model; get SMPL-X (models_smplx_v1_1.zip) with an account of "
            "smpl-x.is.tue.mpg.de, or write the free stand-ins with: hgm standin"
        )
    arrays = read_npz(path, SHAPES)
    for key, expected in SHAPES.items():
        if key not in arrays:
            raise InputError(f"{path}: the key {key} is missing; expected a SMPL-X model as npz")
        if not _matches(arrays[key].shape, expected):
            wanted = str(expected).replace("None", "columns")
            raise InputError(
                f"{path}: {key} is {arrays[key].shape}, expected {wanted}; is this a SMPL-X model?"
            )
    columns = arrays["shapedirs"].shape[2]
    if columns < 20 or 20 < columns <= SHAPE_COLUMNS:
        raise InputError(
            f"{path}: shapedirs has {columns} columns, expected 400 (300 shape, 100 expression) "
            "or 20"
        )
    return arrays
