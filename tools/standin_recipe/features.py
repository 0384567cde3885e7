"""What of a body matters: the vertices that carry SMPL-X's extra joints, and the skin that nobody
can see."""

from __future__ import annotations

import numpy as np

from hgm.geometry.normals import vertex_normals
from hgm.geometry.rays import RayMesh
from hgm.standin.body.skeleton import FINGERS, INDEX

# vertex indices that `smplx` (vertex_ids["smplx"]) takes as joints
NAMED = {
    "nose": 9120,
    "reye": 9929,
    "leye": 9448,
    "rear": 616,
    "lear": 6,
    "rthumb": 8079,
    "rindex": 7669,
    "rmiddle": 7794,
    "rring": 7905,
    "rpinky": 8022,
    "lthumb": 5361,
    "lindex": 4933,
    "lmiddle": 5058,
    "lring": 5169,
    "lpinky": 5286,
    "LBigToe": 5770,
    "LSmallToe": 5780,
    "LHeel": 8846,
    "RBigToe": 8463,
    "RSmallToe": 8474,
    "RHeel": 8635,
}
DIRECTIONS = 80  # in which open sky is looked for


def opposite(name: str) -> str:
    """The right-hand partner of a named vertex of the left side."""
    return {"l": "r", "L": "R"}[name[0]] + name[1:]


def named_vertices(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, used: np.ndarray
) -> dict[str, int]:
    """The nose and the left side's named vertices among `used`, by shape: extremal points of head,
    fingers and feet."""
    points = vertices[used]
    left = points[:, 0] >= -1e-9
    middle = np.abs(points[:, 0]) < 1e-9
    head = weights[used][:, [INDEX["head"], INDEX["jaw"]]].sum(1) > 0.3
    eye = joints[INDEX["left_eye_smplhf"]]
    ankle = joints[INDEX["left_ankle"]]

    def best(where: np.ndarray, score: np.ndarray) -> int:
        return int(used[np.argmax(np.where(where, score, -1e9))])

    x, y, z = points.T
    found = {
        "nose": best(head & middle & (y < eye[1]) & (y > eye[1] - 0.06), z),
        "lear": best(head & left & (np.abs(y - (eye[1] - 0.012)) < 0.02), x),
    }
    for finger in FINGERS:
        tip = INDEX[f"left_{finger}3"]
        found[f"l{finger}"] = best(
            weights[used, tip] > 0.6, (points - joints[tip]) @ (joints[tip] - joints[tip - 1])
        )
    foot = (weights[used, INDEX["left_foot"]] > 0.4) & left
    inner = x[foot].min()
    width = np.ptp(x[foot])
    found["LBigToe"] = best(foot & (x < inner + 0.3 * width), z)
    found["LSmallToe"] = best(foot & (x > inner + 0.84 * width), z)
    found["LHeel"] = best(
        (weights[used, INDEX["left_ankle"]] > 0.5) & left & (y < ankle[1] - 0.02), -z - 0.5 * y
    )
    return found


def hidden_vertices(vertices: np.ndarray, faces: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Which vertices [V] of the head lie in cavities: from there, open sky is seen in none of the
    directions."""
    mesh = RayMesh(vertices, faces)
    normals = vertex_normals(vertices, faces)
    sky = np.random.default_rng(0).normal(size=(DIRECTIONS, 3))
    sky /= np.linalg.norm(sky, axis=1, keepdims=True)
    start = (vertices + normals * 5e-4)[used]
    seen = np.zeros(len(vertices), bool)
    for direction in sky:
        free = np.isinf(mesh.distances(start, np.broadcast_to(direction, start.shape)))
        seen[used] |= free & (normals[used] @ direction > 0.05)
    hidden = np.zeros(len(vertices), bool)
    hidden[used] = ~seen[used]
    return hidden & (vertices[:, 1] > 0.12)
