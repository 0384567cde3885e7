"""Samples of MakeHuman's mesh -> complete body models by gender, and the wardrobe that fits
them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.standin.assets import FILE_GENDER
from hgm.standin.body import correctives, hands
from hgm.standin.body.core import EXPRESSION_COLUMNS, GENDERS, SHAPE_COLUMNS
from hgm.standin.body.packing import barycentric, micrometers
from hgm.standin.body.skeleton import INDEX, PARENTS
from tools.standin_recipe import head, landmarks, spaces, topology, wardrobe
from tools.standin_recipe.head import FreeHead
from tools.standin_recipe.rig import rig
from tools.standin_recipe.sample import Samples


@dataclass(frozen=True)
class RecipeAssets:
    """What the recipe makes."""

    models: dict[str, dict[str, np.ndarray]]  # SMPL-X arrays by gender
    mirror: np.ndarray  # [10475]
    wardrobe: dict[str, np.ndarray]
    head: FreeHead


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
    # in meters of the mean adult
    actions = samples.actions.astype(np.float64).mean(0) * rigged.scale
    on_body = _on_body(actions, mesh)
    mixtures = spaces.expression_mixtures(
        on_body, [str(name) for name in samples.action_names], head.EXPRESSIONS
    )
    expressions = np.tensordot(on_body, mixtures, (0, 0))
    shared = {
        "f": mesh.faces.astype(np.uint32),
        "vt": mesh.uv,
        "ft": mesh.uv_faces.astype(np.uint32),
        "weights": micrometers(weights),
        "J_regressor": regressor,
        "shapedirs": _shapedirs(shapes, expressions[:, :, : spaces.COMPONENTS]),
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
        models,
        mesh.mirror,
        wardrobe.wardrobe(samples, rigged, mesh, shapes, means),
        head.build(
            samples,
            rigged,
            mesh,
            shapes,
            models[FILE_GENDER],
            means[FILE_GENDER],
            np.tensordot(actions, mixtures, (0, 0)),
        ),
    )


def _on_body(actions: np.ndarray, mesh: topology.Topology) -> np.ndarray:
    """Facial actions [A, V, 3] of hm08 on the body's vertices [A, 10475, 3]; the eyeballs stay."""
    skin = mesh.source >= 0
    on_body = np.zeros((len(actions), len(skin), 3))
    on_body[:, skin] = actions[:, mesh.source[skin]]
    return on_body


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
        "lmk_bary_coords": barycentric(uv),
        "dynamic_lmk_faces_idx": contour_face,
        "dynamic_lmk_bary_coords": barycentric(contour_uv),
    }
