"""The hand poses of the stand-in body: synthetic fingers that flex together, and the component
space fitted to them.

Their axes are those of the T pose with the palms down: a left finger points along +x and flexes
about -z.
"""

from __future__ import annotations

import numpy as np

POSES = 4000
COEFFICIENT_ROWS = 1554  # the number of poses whose coefficients an SMPL-X file lists
MIRROR = np.tile([1.0, -1.0, -1.0], 15)  # axis-angle of the other hand
# radians away from the middle of the palm
SPREAD = {"index": 0.10, "middle": 0.02, "pinky": -0.13, "ring": -0.05}
SEED = 5


def sample() -> np.ndarray:
    """POSES left hands [POSES, 45]: axis-angle of index, middle, pinky, ring and thumb, three
    joints each."""
    rng = np.random.default_rng(SEED)
    poses = np.zeros((POSES, 15, 3))
    grasp = rng.beta(1.6, 2.2, POSES)  # 0 open … 1 fist, shared by all fingers
    for finger, (_, spread) in enumerate(SPREAD.items()):
        first = poses[:, 3 * finger]
        second = poses[:, 3 * finger + 1]
        third = poses[:, 3 * finger + 2]
        flexion = 1.15 * grasp + rng.normal(0, 0.18, POSES)
        bent = np.clip(flexion, 0, None)  # the outer joints do not bend backwards
        first[:, 2] = -(0.75 * flexion + rng.normal(0, 0.06, POSES))
        second[:, 2] = -(bent + rng.normal(0, 0.06, POSES))
        third[:, 2] = -(0.6 * bent + rng.normal(0, 0.04, POSES))
        first[:, 1] = spread * rng.normal(-0.6, 1, POSES) * (1 - 0.6 * grasp) + rng.normal(
            0, 0.02, POSES
        )
    opening = rng.normal(0, 0.2, POSES)
    poses[:, 12] = np.stack(
        [
            0.35 * grasp + opening,
            -0.25 * grasp + 0.3 * opening,
            -0.15 * grasp + rng.normal(0, 0.1, POSES),
        ],
        1,
    )
    poses[:, 13, 1] = -(0.35 * grasp + rng.normal(0, 0.12, POSES))
    poses[:, 14, 1] = -(0.5 * grasp + rng.normal(0, 0.12, POSES))
    return poses.reshape(POSES, 45) + rng.normal(0, 0.01, (POSES, 45))


def components(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [45] and orthonormal components [45, 45] (rows, by falling variance) of hand poses [N,
    45].

    The sign of a row is that which makes its largest number positive.
    """
    mean = poses.mean(0)
    rows = np.linalg.svd(poses - mean, full_matrices=False)[2]
    return mean, rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)])[:, None]


def coefficients(mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What an SMPL-X file lists as `hands_coeffs` [1554, 45]: the first sampled poses in these
    components."""
    return (sample()[:COEFFICIENT_ROWS] - mean) @ rows.T
