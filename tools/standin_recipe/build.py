"""Samples of MakeHuman's mesh -> complete body models by gender, and the wardrobe that fits
them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.standin.body import correctives, hands
from hgm.standin.body.core import EXPRESSION_COLUMNS, GENDERS, SHAPE_COLUMNS
from hgm.standin.body.skeleton import INDEX, PARENTS
from tools.standin_recipe import landmarks, spaces, topology, wardrobe
from tools.standin_recipe.rig import Rigged, rig
from tools.standin_recipe.sample import Samples


@dataclass(frozen=True)
class RecipeAssets:
    """What the recipe makes."""

    models: dict[str, dict[str, np.ndarray]]  # SMPL-X arrays by gender
    mirror: np.ndarray  # [10475]
    wardrobe: dict[str, np.ndarray]


def build(samples: Samples) -> RecipeAssets:
    """Everything from the samples; half a minute on one core."""
    rigged = rig(samples)
    mesh = topology.build(samples, rigged)
    eyes = rigged.joints[:, [INDEX["left_eye_smplhf"], INDEX["right_eye_smplhf"]]]
    vertices = mesh.vertices(rigged.vertices, eyes, rigged.eye_radius)
    weights = mesh.weights(rigged.weights)
    shapes = spaces.shape_space(vertices, mesh.mirror, spaces.waist(rigged.joints.mean(0)))
    means = {
        "neutral": shapes.coefficients.mean(0),
        "male": shapes.coefficients[~samples.female].mean(0),
        "female": shapes.coefficients[samples.female].mean(0),
    }
    regressor = spaces.joint_regressor(vertices, rigged.joints, weights, mesh.mirror)
    shared = {
        "f": mesh.faces.astype(np.uint32),
        "vt": mesh.uv,
        "ft": mesh.uv_faces.astype(np.uint32),
        "weights": micrometers(weights),
        "J_regressor": regressor,
        "shapedirs": _shapedirs(shapes, _expressions(samples, rigged, mesh)),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(len(PARENTS))], np.uint32),
        **_hands(),
        **_landmarks(vertices.mean(0), rigged.joints.mean(0), weights, mesh),
    }
    models = {}
    for gender in GENDERS:
        template = shapes.body(means[gender])
        basis = correctives.pose_basis(gender, template, regressor @ template, weights)
        models[gender] = {"v_template": micrometers(template), "posedirs": basis, **shared}
    return RecipeAssets(
        models, mesh.mirror, wardrobe.wardrobe(samples, rigged, mesh, shapes, means)
    )


def micrometers(values: np.ndarray) -> np.ndarray:
    """Rounded to six decimals in float32, as float64: a grid that packs without loss."""
    return np.round(values.astype(np.float32), 6).astype(np.float64)


def _expressions(samples: Samples, rigged: Rigged, mesh: topology.Topology) -> np.ndarray:
    """Expression components [10475, 3, 20] in meters of the mean adult; the eyeballs stay."""
    skin = mesh.source >= 0
    actions = np.zeros((samples.actions.shape[1], len(skin), 3))
    actions[:, skin] = (
        samples.actions.astype(np.float64).mean(0)[:, mesh.source[skin]] * rigged.scale
    )
    return spaces.expression_components(actions, [str(name) for name in samples.action_names])


def _shapedirs(shapes: spaces.ShapeSpace, expressions: np.ndarray) -> np.ndarray:
    shapedirs = np.zeros((*shapes.mean.shape, SHAPE_COLUMNS + EXPRESSION_COLUMNS), np.float32)
    shapedirs[:, :, : spaces.COMPONENTS] = micrometers(shapes.components)
    shapedirs[:, :, SHAPE_COLUMNS : SHAPE_COLUMNS + spaces.COMPONENTS] = micrometers(expressions)
    return shapedirs


def _hands() -> dict[str, np.ndarray]:
    mean, rows = hands.components(hands.sample())
    return {
        "hands_meanl": mean,
        "hands_meanr": mean * hands.MIRROR,
        "hands_componentsl": rows,
        "hands_componentsr": rows * hands.MIRROR,
    }


def _landmarks(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, mesh: topology.Topology
) -> dict[str, np.ndarray]:
    eyes = joints[[INDEX["left_eye_smplhf"], INDEX["right_eye_smplhf"]]]
    face, uv = landmarks.static_landmarks(vertices, mesh.faces, eyes, vertices[mesh.named["nose"]])
    contour_face, contour_uv = landmarks.contour_landmarks(
        vertices, mesh.faces, weights, joints, mesh.named
    )
    return {
        "lmk_faces_idx": face,
        "lmk_bary_coords": _barycentric(uv),
        "dynamic_lmk_faces_idx": contour_face,
        "dynamic_lmk_bary_coords": _barycentric(contour_uv),
    }


def _barycentric(uv: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - uv.sum(-1, keepdims=True), uv], -1).astype(np.float64)
