"""The linear spaces of the body: shape and expression components, and the regressor of the
joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.standin.body.skeleton import BODY_VERTICES, INDEX, JOINTS, MIRROR
from tools.standin_recipe.rig import LEFT_TO_RIGHT

COMPONENTS = 20
EXPRESSIONS = 700  # random mixes of facial actions
NOT_EXPRESSIONS = ("eyeLook", "tongue", "jawOpen")  # joints do these
NEAREST = 60
CANDIDATES = 160
SUM_WEIGHT = 30.0  # of the joint regressor


def principal(offsets: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of offsets [N, ...] from their mean, N smaller than their length.

    Returns components [..., count], scaled to a standard deviation of one, and coefficients [N,
    count].
    """
    flat = offsets.reshape(len(offsets), -1)
    _, vectors = np.linalg.eigh(flat @ flat.T)
    vectors = vectors[:, ::-1][:, :count]  # the largest eigenvalues come last
    scale = np.sqrt(len(flat))
    components = np.stack([(flat.T @ v / scale).reshape(offsets.shape[1:]) for v in vectors.T], -1)
    return components, vectors * scale


@dataclass(frozen=True)
class ShapeSpace:
    """Bodies as mean + components @ coefficients, one basis for everybody."""

    mean: np.ndarray  # [V, 3]
    components: np.ndarray  # [V, 3, 20]
    coefficients: np.ndarray  # [N, 20], of the samples; their variance is one

    def body(self, coefficients: np.ndarray) -> np.ndarray:
        return self.mean + self.components @ coefficients


def shape_space(vertices: np.ndarray, mirror: np.ndarray, waist_height: float) -> ShapeSpace:
    """The shape space of bodies [N, V, 3], mirror-symmetric.

    The first component is signed to make people taller, the others to make waists wider.
    """
    mean = vertices.mean(0)
    mean = 0.5 * (mean + mean[mirror] * LEFT_TO_RIGHT)
    components, coefficients = principal(vertices - mean, COMPONENTS)
    components = 0.5 * (components + components[mirror] * LEFT_TO_RIGHT[:, None])
    top = mean[:, 1].argmax()
    bottom = mean[:, 1].argmin()
    signs = np.sign(components[top, 1] - components[bottom, 1])
    waist = np.flatnonzero((np.abs(mean[:, 1] - waist_height) < 0.05) & (np.abs(mean[:, 0]) < 0.25))
    girth = np.einsum("vd,vdk->k", mean[waist] - mean[waist].mean(0), components[waist])
    signs[1:] = np.where(girth[1:] < 0, -1, 1)
    return ShapeSpace(mean, components * signs, coefficients * signs)


def expression_mixtures(actions: np.ndarray, names: list[str], count: int) -> np.ndarray:
    """How much [A, count] of each facial action [A, V, 3] is in each expression component: the
    components are the principal ones of random, nearly symmetric mixes."""
    rng = np.random.default_rng(11)
    mixes = np.zeros((EXPRESSIONS, len(names)))
    for mix in mixes:
        for k, name in enumerate(names):
            partner = name[:-5] + "Left" if name.endswith("Right") else None
            if name.startswith(NOT_EXPRESSIONS):
                continue
            if partner in names:  # left comes before right
                mix[k] = np.clip(mix[names.index(partner)] + rng.normal(0, 0.06), 0, 1)
            elif rng.random() < 0.22:
                mix[k] = rng.beta(1.3, 2.2)
    mixes -= mixes.mean(0)
    _, coefficients = principal(np.tensordot(mixes, actions, 1), count)
    return mixes.T @ coefficients / len(mixes)


def joint_regressor(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, mirror: np.ndarray
) -> np.ndarray:
    """The regressor [55, V] of joints [N, 55, 3] from vertices [N, V, 3]: sparse, non-negative,
    rows that sum to one.

    Each joint is fitted on the ring of skin around it; the right side is the mirror image of the
    left.
    """
    rng = np.random.default_rng(7)
    mean = vertices.mean(0)
    centers = joints.mean(0)
    regressor = np.zeros((len(JOINTS), len(mean)))
    for j, name in enumerate(JOINTS):
        if name.startswith("right"):
            continue
        if "eye_smplhf" in name:  # the center of the eyeball
            ball = weights[:, j] > 0.99
            regressor[j, ball] = 1 / ball.sum()
            continue
        ring = _ring(mean, centers[j], rng)
        if MIRROR[j] == j:
            ring = np.unique(np.concatenate([ring, mirror[ring]]))
        regressor[j, ring] = convex_fit(vertices[::5, ring], joints[::5, j], centers[j])
        if MIRROR[j] == j:
            regressor[j] = 0.5 * (regressor[j] + regressor[j][mirror])
        regressor[j] /= regressor[j].sum()
    for j, name in enumerate(JOINTS):
        if name.startswith("right"):
            regressor[j] = regressor[MIRROR[j]][mirror]
    return regressor


def _ring(mean: np.ndarray, center: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Body vertices around a joint: the nearest ones and some of the farther ones."""
    distance = np.linalg.norm(mean - center, axis=1)
    distance[BODY_VERTICES:] = np.inf
    near = np.flatnonzero(distance < max(2.3 * np.sort(distance)[10], 0.012))
    near = near[np.argsort(distance[near])]
    return np.unique(np.concatenate([near[:NEAREST], rng.permutation(near)[:CANDIDATES]]))


def convex_fit(points: np.ndarray, targets: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Non-negative weights [C], close to a sum of one, that bring points [N, C, 3] to targets [N,
    3]."""
    from scipy.optimize import nnls

    rows = (points - center).transpose(0, 2, 1).reshape(-1, points.shape[1])
    matrix = np.concatenate([rows, np.full((1, points.shape[1]), SUM_WEIGHT)])
    solution: np.ndarray = nnls(matrix, np.append((targets - center).ravel(), SUM_WEIGHT))[0]
    return solution


def waist(joints: np.ndarray) -> float:
    """Height of the waist of mean joints [55, 3]."""
    return float(joints[INDEX["spine2"], 1])
