"""A head with FLAME 2020's counts from hm08: cut below the neck, eye sockets opened, the left half
decimated, mirrored, eyeballs set in.

The counts fix the topology: 2 * 3931 - 7800 = 62 for the skin, a sphere with three holes of 64
edges together: 30 at the neck and 17 at each eye. Its vertices are hm08's, so that the body's shape
and expression components go on in them: one person is the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hgm.standin.body.core import SHAPE_COLUMNS
from hgm.standin.body.packing import MICROMETRES, barycentric, micrometers, to_grid
from hgm.standin.body.skeleton import EYE_VERTICES, INDEX, RIGHT_EYE, VERTICES
from hgm.standin.head import JOINTS
from tools.standin_recipe import landmarks, topology
from tools.standin_recipe.decimation import Decimator
from tools.standin_recipe.eyes import eyeball
from tools.standin_recipe.features import hidden_vertices
from tools.standin_recipe.rig import LEFT_TO_RIGHT, Rigged
from tools.standin_recipe.sample import Samples
from tools.standin_recipe.spaces import COMPONENTS, ShapeSpace, convex_fit

SKIN = 3931
NECK_EDGES = 30
EXPRESSIONS = 40  # components; the first are the body's
# the cut: so many meters below the neck's joint, lower in front and rising to the sides
DROP = 0.085
FORWARD = 0.35
SIDEWARD = 5.0  # 1/m
MIDLINE_SHARE = 0.02  # of the midline's vertices that go
NEAREST = 600  # vertices that a joint may be regressed on


@dataclass(frozen=True)
class HeadMesh:
    """The head's mesh; left and right are exact mirror images."""

    faces: np.ndarray  # [9976, 3]: left skin, right skin, left eye, right eye
    source: np.ndarray  # [3931], the hm08 vertex of each vertex of the skin
    mirror: np.ndarray  # [5023]


@dataclass(frozen=True)
class FreeHead:
    """The stand-in's arrays, by the names of FLAME's file and of its landmarks; of the shapes and
    expressions only the columns that are filled. Meters, about the middle of the head above the
    neck; the root stays in its place in every shape."""

    arrays: dict[str, np.ndarray]
    mirror: np.ndarray  # [5023]


def build(
    samples: Samples,
    rigged: Rigged,
    body: topology.Topology,
    shapes: ShapeSpace,
    model: Mapping[str, np.ndarray],
    betas: np.ndarray,
    actions: np.ndarray,
) -> FreeHead:
    """The head of the body `model` (SMPL-X's arrays of one gender), whose template has these betas
    [20] in the space of shapes; actions [V, 3, 40]: the expression components on hm08."""
    mesh = _mesh(samples, rigged, body)
    named = {
        name: int(np.flatnonzero(mesh.source == body.source[body.named[name]])[0])
        for name in ("nose", "lear")
    }
    # the body numbers its right eyeball as `eyeball` does, the left one otherwise
    eyes = np.concatenate([body.mirror[RIGHT_EYE:], np.arange(RIGHT_EYE, VERTICES)])
    skin, components = _shaped(samples, rigged, shapes, mesh, betas)
    template = np.concatenate([skin, model["v_template"][eyes]])
    expressions = np.zeros((len(template), 3, actions.shape[-1]))
    expressions[:SKIN] = actions[mesh.source]
    weights = np.concatenate([rigged.weights[mesh.source], model["weights"][eyes]])
    shapedirs = np.concatenate([components, model["shapedirs"][eyes, :, :COMPONENTS]])
    joints = model["J_regressor"] @ model["v_template"]
    regressor = _regressor(template, shapedirs, expressions, model, mesh.mirror)
    own = _weights(weights)
    above = template[own[:, 0] < 0.5]
    middle = np.round(0.5 * (above.min(0) + above.max(0)), 3) * [0, 1, 1]
    return FreeHead(
        {
            "v_template": micrometers(template - middle),
            "f": mesh.faces,
            # a taller body has its head higher, which is no matter of the head's shape
            "shapedirs": micrometers(
                shapedirs - micrometers(regressor[0] @ shapedirs.swapaxes(0, 1))
            ),
            "expressions": micrometers(expressions),
            "J_regressor": regressor,
            "weights": own,
            **_landmarks(template, joints, weights, mesh.faces, named),
        },
        mesh.mirror,
    )


def _shaped(
    samples: Samples, rigged: Rigged, shapes: ShapeSpace, mesh: HeadMesh, betas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The skin [3931, 3] of these betas, and its shape components [3931, 3, 20]: the samples
    regressed on the body's coefficients."""
    people = rigged.vertices[:, mesh.source]
    mean = people.mean(0)
    flat = (people - mean).reshape(len(people), -1)
    components = (flat.T @ (shapes.coefficients / len(people))).reshape(SKIN, 3, -1)
    other = mesh.mirror[:SKIN]
    mean = 0.5 * (mean + mean[other] * LEFT_TO_RIGHT)
    components = 0.5 * (components + components[other] * LEFT_TO_RIGHT[:, None])
    return mean + components @ betas, components


def _mesh(samples: Samples, rigged: Rigged, body: topology.Topology) -> HeadMesh:
    mean = rigged.vertices.mean(0)
    joints = rigged.joints.mean(0)
    eye = joints[INDEX["left_eye_smplhf"]]
    radius = float(rigged.eye_radius.mean())
    half = topology.left_half(samples, mean, eye, radius)
    faces, corners = _above_the_cut(half, mean, joints[INDEX["neck"]])
    used = np.unique(faces)
    importance = np.ones(len(mean))
    whole = np.concatenate([faces, samples.mirror[faces][:, ::-1]])
    importance[hidden_vertices(mean, whole, used)] = 0.004
    importance[[body.source[vertex] for vertex in body.named.values()]] = 1e6
    mesh = Decimator(mean, faces, corners, importance)
    at_eye = np.linalg.norm(mean - eye, axis=1) < 2 * radius
    neck = {v for v in mesh.boundary if half.side[v] > 0 and not at_eye[v]}
    # the two ends of the rim lie on the midline, and the halves share them
    mesh.collapse(len(neck) - (NECK_EDGES - 2) // 2, lambda v: v in neck)
    topology.decimate(
        mesh, half.side, total=SKIN, midline_share=MIDLINE_SHARE, fixed=neck & mesh.alive
    )
    return _assemble(mesh, half.side, samples.mirror)


def _above_the_cut(
    half: topology.LeftHalf, mean: np.ndarray, neck: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Faces [F, 3] of the left half of head and neck, and their UV corners: above the cut, and in
    one piece."""
    x, y, z = (mean - neck).T
    above = y + DROP + FORWARD * z - SIDEWARD * x**2 > 0
    kept = above[half.faces].all(1)
    faces = half.faces[kept]
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(mean), len(mean)))
    _, piece = connected_components(graph, directed=False)
    largest = piece[faces[:, 0]] == np.bincount(piece[faces[:, 0]]).argmax()
    return faces[largest], half.corners[kept][largest]


def _assemble(mesh: Decimator, side: np.ndarray, mirror: np.ndarray) -> HeadMesh:
    left = sorted(v for v in mesh.alive if side[v] > 0)
    middle = sorted(v for v in mesh.alive if side[v] == 0)
    source = np.array(middle + left + list(mirror[left]))
    number = np.full(len(mirror), -1)
    number[source] = np.arange(SKIN)
    skin = np.array(list(mesh.faces.values()))
    _, ball = eyeball()
    return HeadMesh(
        faces=np.concatenate(
            [
                number[skin],
                number[mirror[skin][:, ::-1]],
                ball + SKIN,
                ball[:, ::-1] + SKIN + EYE_VERTICES,
            ]
        ),
        source=source,
        mirror=topology.mirror_table(len(middle), len(left)),
    )


def _weights(weights: np.ndarray) -> np.ndarray:
    """Skinning weights [V, 5] of the body's [V, 55]; what the head has no joint for stays with the
    root. Whole millionths that sum to one."""
    own = weights[:, [INDEX[joint] for joint in JOINTS]]
    own[:, 0] = np.maximum(1 - own[:, 1:].sum(1), 0)
    steps = to_grid(own)
    largest = np.arange(len(steps)), own.argmax(1)
    steps[largest] += to_grid(np.ones(len(steps))) - steps.sum(1)
    return steps / MICROMETRES


def _regressor(
    template: np.ndarray,
    shapes: np.ndarray,
    expressions: np.ndarray,
    model: Mapping[str, np.ndarray],
    mirror: np.ndarray,
) -> np.ndarray:
    """The regressor [5, 5023] that gives the body's joints, for its template and every component of
    shape and expression that both have; rows that sum to one, the eyes at the eyeballs' centers."""
    whole = np.concatenate([template[..., None], shapes, expressions[..., :COMPONENTS]], -1)
    filled = np.r_[:COMPONENTS, SHAPE_COLUMNS : SHAPE_COLUMNS + COMPONENTS]
    columns = np.concatenate([model["v_template"][..., None], model["shapedirs"][..., filled]], -1)
    targets = np.einsum("jv,vdc->jdc", model["J_regressor"], columns)
    regressor = np.zeros((len(JOINTS), len(template)))
    for row, joint in enumerate(JOINTS):
        if "eye" in joint:
            ball = SKIN + EYE_VERTICES * ("right" in joint)
            regressor[row, ball : ball + EYE_VERTICES] = 1 / EYE_VERTICES
            continue
        target = targets[INDEX[joint]].T  # [41, 3]
        center = target[0].copy()
        near = np.argsort(np.linalg.norm(template[:SKIN] - center, axis=1))[:NEAREST]
        near = np.unique(np.concatenate([near, mirror[near]]))
        points = whole[near].transpose(2, 0, 1)
        points[0] -= center
        target[0] = 0
        regressor[row, near] = convex_fit(points, target, np.zeros(3))
        regressor[row] = 0.5 * (regressor[row] + regressor[row][mirror])
        regressor[row] /= regressor[row].sum()
    return regressor


def _landmarks(
    vertices: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    faces: np.ndarray,
    named: dict[str, int],
) -> dict[str, np.ndarray]:
    """iBUG's landmarks, by the names of FLAME's landmark_embedding.npy."""
    eyes = joints[[INDEX["left_eye_smplhf"], INDEX["right_eye_smplhf"]]]
    face, uv = landmarks.static_landmarks(vertices, faces, eyes, vertices[named["nose"]])
    contour, contour_uv = landmarks.contour_landmarks(vertices, faces, weights, joints, named)
    return {
        "static_lmk_faces_idx": face,
        "static_lmk_bary_coords": barycentric(uv),
        "dynamic_lmk_faces_idx": contour,
        "dynamic_lmk_bary_coords": barycentric(contour_uv),
    }
