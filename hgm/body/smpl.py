"""SMPL's rest shape, for data sets whose fits are SMPL's, and the SMPL-X parameters that come
nearest to such a fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hgm.body.model import BODY_JOINTS, BodyModel
from hgm.body.model_pickles import SPARSE, numbers
from hgm.body.parameters import BodyParameters
from hgm.core.npz import read_npz
from hgm.core.pickles import load_pickle
from hgm.errors import InputError

VERTICES = 6890
JOINTS = 24
BETAS = 10
BODY_POSE = 63  # SMPL's first 21 joints are those of SMPL-X; its last two are the hands
# square meters: joints are trusted to a centimeter, shape coefficients have unit variance
RIDGE = 1e-4


@dataclass(frozen=True)
class Smpl:
    """What the rest shape of SMPL needs, float64, meters."""

    template: np.ndarray  # [6890, 3]
    shapes: np.ndarray  # [6890, 3, 10]
    regressor: np.ndarray  # [24, 6890]

    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """Joints [24, 3] of the rest pose of betas [10]; the pelvis is the first."""
        return self.regressor @ (self.template + self.shapes @ betas)


def smpl_file(models: str | Path) -> Path:
    """`models/smpl/SMPL_NEUTRAL.npz` where there is one, else the pickle beside it, there or
    not."""
    pickled = Path(models) / "smpl" / "SMPL_NEUTRAL.pkl"
    return pickled.with_suffix(".npz") if pickled.with_suffix(".npz").is_file() else pickled


def load_smpl(models: str | Path) -> Smpl:
    """Read `smpl_file`. Raises InputError when it is missing or is not SMPL."""
    path = smpl_file(models)
    data = _npz(path) if path.suffix == ".npz" else _pickle(path)
    try:
        template, shapes = (
            np.asarray(data[key], np.float64) for key in ("v_template", "shapedirs")
        )
        regressor = np.asarray(numbers(data["J_regressor"], (JOINTS, VERTICES)), np.float64)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{path}: lacks v_template, shapedirs or J_regressor ({error}); expected the SMPL model"
        ) from None
    if (
        template.shape != (VERTICES, 3)
        or shapes.shape[:2] != (VERTICES, 3)
        or shapes.shape[2:] < (BETAS,)
        or (regressor.shape != (JOINTS, VERTICES))
    ):
        raise InputError(
            f"{path}: v_template {template.shape}, shapedirs {shapes.shape}, J_regressor "
            f"{regressor.shape} are not SMPL's"
        )
    return Smpl(template, shapes[..., :BETAS], regressor)


def nearest_smplx(
    smpl: Smpl, betas: np.ndarray, body_pose: np.ndarray, model: BodyModel
) -> BodyParameters:
    """SMPL-X parameters for SMPL's betas [10] and body pose [69], without global orientation.

    The 21 body joints turn alike. The shape is the one whose rest joints, seen from the pelvis, are
    nearest to SMPL's (least squares over 22 joints with RIDGE); hands and face are the mean ones.
    Not a fit of the surface: soft tissue is not carried over.
    """
    target = smpl.rest_joints(betas)[:BODY_JOINTS]
    basis = torch.cat([torch.zeros(1, BETAS), torch.eye(BETAS)])
    with torch.no_grad():
        joints = model.shaped(basis.to(model.v_template))[1][:, :BODY_JOINTS].double().numpy()
    joints = joints - joints[:, :1]
    target = target - target[:1]
    A = (joints[1:] - joints[0]).reshape(BETAS, -1).T
    b = (target - joints[0]).reshape(-1)
    shape = np.linalg.solve(A.T @ A + RIDGE * np.eye(BETAS), A.T @ b)
    pose = torch.from_numpy(body_pose[:BODY_POSE]).float()
    return model.zeros().replace(betas=torch.from_numpy(shape).float(), body_pose=pose)


def _npz(path: Path) -> dict[str, Any]:
    return read_npz(path, ("v_template", "shapedirs", "J_regressor"))


def _pickle(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"{path}: no such body model, nor an npz; get SMPL's neutral model with an account of "
            "smplify.is.tue.mpg.de"
        )
    try:
        data = load_pickle(path, also=SPARSE)
    except InputError as error:
        advice = (
            "; take its chumpy objects out with tools/clean_ch.py of the smplx repository"
            if "chumpy" in str(error)
            else ""
        )
        raise InputError(f"{error}{advice}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds a {type(data).__name__}, expected the SMPL model")
    return data
