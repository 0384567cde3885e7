"""Pose correctives of the stand-in body: linear offsets that push blend skinning towards
dual-quaternion skinning.

When one joint turns by R, blend skinning moves a vertex of weight w by ((1 - w) I + w R), which
shrinks it; dual quaternions turn it by a pure rotation Q. The missing part ((1 - w) I + w R)^-1 Q -
I is regressed on R - I, the nine numbers that SMPL-X's pose basis reads, for 21 weights; a vertex
interpolates between them.
"""

from __future__ import annotations

import numpy as np

from hgm.geometry.rotations import rotation_matrices
from hgm.standin.body.skeleton import JOINTS, PARENTS, VERTICES, descendants

# largest angle of the fit in radians
LIMITS = {
    "knee": 1.6,
    "elbow": 1.6,
    "hip": 1.3,
    "shoulder": 1.3,
    "wrist": 0.9,
    "ankle": 0.6,
    "neck": 0.6,
    "head": 0.6,
    "spine": 0.5,
    "collar": 0.5,
    "foot": 0.5,
}
FINGER_LIMIT = 1.2
ROTATIONS = 160  # random rotations per joint
WEIGHTS = np.linspace(0.0, 1.0, 21)
GAIN = 0.8
RIDGE = 1e-3
SMALLEST = 2e-5  # meters per unit; less is left out
SEED = 3
MODELS = ("neutral", "male", "female")  # in the order in which their rotations are drawn


def _limit(joint: int) -> float:
    named = next((limit for part, limit in LIMITS.items() if part in JOINTS[joint]), None)
    return named if named is not None else FINGER_LIMIT if joint >= 25 else 0.0


def _rotations(gender: str) -> dict[int, np.ndarray]:
    """Axis-angle samples [ROTATIONS, 3] of every joint that has correctives."""
    rng = np.random.default_rng(SEED)
    samples: dict[int, np.ndarray] = {}
    for _ in range(MODELS.index(gender) + 1):
        for joint in range(1, len(JOINTS)):
            if limit := _limit(joint):
                drawn = np.empty((ROTATIONS, 3))
                for i in range(ROTATIONS):
                    axis = rng.normal(size=3)
                    drawn[i] = axis / np.linalg.norm(axis) * (limit * rng.uniform() ** 0.5)
                samples[joint] = drawn
    return samples


def _regression(vectors: np.ndarray) -> np.ndarray:
    """The linear map [21, 9, 3, 3] from R - I (9 numbers, row-major) to the missing matrix, for
    each of WEIGHTS."""
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)  # [S, 1]
    axis = vectors / angle
    R = rotation_matrices(vectors)
    X = (R - np.eye(3)).reshape(-1, 9)
    w = WEIGHTS[:, None, None]  # [21, 1, 1]
    # of the blended quaternion, [21, S, 1]
    half = np.arctan2(w * np.sin(angle / 2), (1 - w) + w * np.cos(angle / 2))
    blended = (1 - w[..., None]) * np.eye(3) + w[..., None] * R
    missing = np.linalg.solve(blended, rotation_matrices(2 * half * axis)) - np.eye(3)
    solution = np.linalg.solve(
        X.T @ X + RIDGE * np.eye(9), X.T @ missing.reshape(len(WEIGHTS), -1, 9)
    )
    return solution.reshape(-1, 9, 3, 3)


def pose_basis(
    gender: str, vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """SMPL-X's `posedirs` [10475, 3, 486] float32 in meters, for rest vertices [10475, 3], rest
    joints [55, 3] and skinning weights [10475, 55] of one gender."""
    basis = np.zeros((VERTICES, 3, 9 * (len(PARENTS) - 1)), np.float32)
    for joint, vectors in _rotations(gender).items():
        w = weights[:, descendants(joint)].sum(1)
        basis[:, :, 9 * (joint - 1) : 9 * joint] = _offsets(vectors, w, vertices - joints[joint])
    return _rounded(basis)


def joint_basis(gender: str, joint: int, w: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """The nine columns [V, 3, 9] that one joint has in the basis of this gender, for any vertices:
    shares w [V] of what turns with the joint, and vectors [V, 3] from it to the vertices."""
    return _rounded(_offsets(_rotations(gender)[joint], w, arms))


def _offsets(vectors: np.ndarray, w: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """Offsets [V, 3, 9] float32 by the numbers of R - I, where a share w [V] of a vertex turns with
    the joint; none where nearly all of it or nothing does."""
    near = np.flatnonzero((w > 0.01) & (w < 0.99))
    position = np.clip(w[near] * (len(WEIGHTS) - 1), 0, len(WEIGHTS) - 1.001)
    lower = position.astype(int)
    part = (position - lower)[:, None, None, None]
    table = _regression(vectors)
    maps = (1 - part) * table[lower] + part * table[lower + 1]
    offsets = np.zeros((len(w), 3, 9), np.float32)
    offsets[near] = GAIN * np.einsum("vfab,vb->vaf", maps, arms[near])
    return offsets


def _rounded(basis: np.ndarray) -> np.ndarray:
    basis[np.abs(basis) < SMALLEST] = 0
    return np.round(basis, 5)
