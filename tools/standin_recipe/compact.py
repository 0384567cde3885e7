"""Complete SMPL-X arrays of the stand-in -> the compact core that `hgm.standin.body.core` expands;
nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hgm.standin.body.core import GENDERS, SHAPE_COLUMNS, pack, to_grid
from hgm.standin.body.skeleton import EYE_FACES

COMPONENTS = 20  # of shape and of expression


def compact(
    models: Mapping[str, Mapping[str, np.ndarray]], mirror: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of core.npz from the models by gender and the mirror table [10475] of their
    vertices.

    Raises ValueError when the models are not mirror images of themselves or do not lie on the grid
    of micrometers.
    """
    neutral = models["neutral"]
    half = np.flatnonzero(mirror >= np.arange(len(mirror)))
    template = {
        gender: _symmetric(models[gender]["v_template"], mirror)[half].T for gender in GENDERS
    }
    shapes = _symmetric(neutral["shapedirs"][:, :, :COMPONENTS], mirror)[half]
    expressions = _on_grid(neutral["shapedirs"][:, :, SHAPE_COLUMNS : SHAPE_COLUMNS + COMPONENTS])
    weights = _on_grid(neutral["weights"])[half]
    rows, joints = np.nonzero(weights)
    regressor = np.nonzero(neutral["J_regressor"])
    faces = neutral["f"].astype(np.int64)
    body = len(faces) // 2 - EYE_FACES
    left = np.concatenate([faces[:body], faces[2 * body : 2 * body + EYE_FACES]])
    return {
        "mirror": mirror.astype(np.uint16),
        "template": pack(
            np.stack(
                [
                    template["neutral"],
                    template["male"] - template["neutral"],
                    template["female"] - template["neutral"],
                ]
            )
        ),
        "shapes": pack(shapes.transpose(2, 1, 0)),
        "expressions": pack(expressions.transpose(2, 1, 0)),
        "weight_count": np.bincount(rows, minlength=len(half)).astype(np.uint8),
        "weight_joint": joints.astype(np.uint8),
        "weight_value": pack(weights[rows, joints]),
        "regressor_joint": regressor[0].astype(np.uint8),
        "regressor_vertex": regressor[1].astype(np.uint16),
        "regressor_value": neutral["J_regressor"][regressor].astype(np.float64),
        "faces": pack(left.T),
        "uv": pack(to_grid(neutral["vt"]).T),
        "uv_faces": pack(neutral["ft"].T),
        "hand_mean": neutral["hands_meanl"],
        "hand_components": neutral["hands_componentsl"],
        "landmark_face": neutral["lmk_faces_idx"].astype(np.uint16),
        "landmark_uv": neutral["lmk_bary_coords"][..., 1:].astype(np.float32),
        "contour_face": neutral["dynamic_lmk_faces_idx"].astype(np.uint16),
        "contour_uv": neutral["dynamic_lmk_bary_coords"][..., 1:].astype(np.float32),
    }


def _on_grid(meters: np.ndarray) -> np.ndarray:
    steps = to_grid(meters)
    if np.abs(steps / 1e6 - meters).max() > 1e-7:
        raise ValueError("the arrays of the model are not rounded to micrometers")
    return steps


def _symmetric(meters: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Micrometers of a [V, 3, ...] array that must be its own mirror image."""
    steps = _on_grid(meters)
    if (steps[mirror] * np.reshape([-1, 1, 1], (3, *[1] * (steps.ndim - 2))) != steps).any():
        raise ValueError("the model is not mirror-symmetric")
    return steps
