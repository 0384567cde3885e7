"""Complete SMPL-X arrays of the stand-in -> the compact core that `hgm.standin.body.core` expands;
nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hgm.standin.body.core import GENDERS, SHAPE_COLUMNS
from hgm.standin.body.packing import pack, to_grid
from hgm.standin.body.skeleton import EYE_FACES
from tools.standin_recipe.head import FreeHead

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
        **_weights(neutral["weights"][half]),
        **_regressor(neutral["J_regressor"]),
        "faces": _left_faces(neutral["f"]),
        "uv": pack(to_grid(neutral["vt"]).T),
        "uv_faces": pack(neutral["ft"].T),
        "hand_mean": neutral["hands_meanl"],
        "hand_components": neutral["hands_componentsl"],
        **_landmarks(
            neutral["lmk_faces_idx"],
            neutral["lmk_bary_coords"],
            neutral["dynamic_lmk_faces_idx"],
            neutral["dynamic_lmk_bary_coords"],
        ),
    }


def compact_head(head: FreeHead) -> dict[str, np.ndarray]:
    """The arrays of head.npz, which `hgm.standin.head` expands. Raises ValueError as `compact`
    does."""
    arrays, mirror = head.arrays, head.mirror
    half = np.flatnonzero(mirror >= np.arange(len(mirror)))
    return {
        "mirror": mirror.astype(np.uint16),
        "template": pack(_symmetric(arrays["v_template"], mirror)[half].T),
        "shapes": pack(_symmetric(arrays["shapedirs"], mirror)[half].transpose(2, 1, 0)),
        "expressions": pack(_on_grid(arrays["expressions"]).transpose(2, 1, 0)),
        **_weights(arrays["weights"][half]),
        **_regressor(arrays["J_regressor"]),
        "faces": _left_faces(arrays["f"]),
        **_landmarks(
            arrays["static_lmk_faces_idx"],
            arrays["static_lmk_bary_coords"],
            arrays["dynamic_lmk_faces_idx"],
            arrays["dynamic_lmk_bary_coords"],
        ),
    }


def _weights(weights: np.ndarray) -> dict[str, np.ndarray]:
    """Sparse skinning weights of [V, J]."""
    rows, joints = np.nonzero(weights)
    return {
        "weight_count": np.bincount(rows, minlength=len(weights)).astype(np.uint8),
        "weight_joint": joints.astype(np.uint8),
        "weight_value": pack(_on_grid(weights)[rows, joints]),
    }


def _regressor(regressor: np.ndarray) -> dict[str, np.ndarray]:
    joints, vertices = np.nonzero(regressor)
    return {
        "regressor_joint": joints.astype(np.uint8),
        "regressor_vertex": vertices.astype(np.uint16),
        "regressor_value": regressor[joints, vertices].astype(np.float64),
    }


def _left_faces(faces: np.ndarray) -> np.ndarray:
    """The left half of faces in the order left skin, right skin, left eye, right eye, packed."""
    skin = len(faces) // 2 - EYE_FACES
    left = np.concatenate([faces[:skin], faces[2 * skin : 2 * skin + EYE_FACES]])
    return pack(left.astype(np.int64).T)


def _landmarks(
    face: np.ndarray, place: np.ndarray, contour_face: np.ndarray, contour_place: np.ndarray
) -> dict[str, np.ndarray]:
    """Landmarks by their faces and barycentric coordinates, without the first of these."""
    return {
        "landmark_face": face.astype(np.uint16),
        "landmark_uv": place[..., 1:].astype(np.float32),
        "contour_face": contour_face.astype(np.uint16),
        "contour_uv": contour_place[..., 1:].astype(np.float32),
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
