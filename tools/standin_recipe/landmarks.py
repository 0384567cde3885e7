"""iBUG-68 landmarks on the face: 51 fixed ones, and the 17 of the contour for every degree that the
head turns."""

from __future__ import annotations

import numpy as np

from hgm.geometry.rays import RayMesh
from hgm.standin.body.skeleton import INDEX

FAR = 0.5  # meters in front of the face, where rays start
TURNS = 79  # rows of the contour: 0 … 39 to one side, 1 … 39 to the other
CONTOUR = 17
EAR_RADIUS = 0.042


def static_landmarks(
    vertices: np.ndarray, faces: np.ndarray, eyes: np.ndarray, nose: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Faces [51] and float32 (u, v) [51, 2] of brows, nose, eyes and mouth, met by rays from the
    front.

    eyes [2, 3]: left, right; nose [3]: its tip.
    """
    span = np.linalg.norm(eyes[0] - eyes[1])
    center = eyes.mean(0)
    layout = _frontal_layout((center[1] - nose[1]) / span)
    starts = np.column_stack([center[:2] + span * layout, np.full(len(layout), center[2] + FAR)])
    face, uv, _ = _hits(RayMesh(vertices, faces), starts, np.array([0.0, 0.0, -1.0]))
    return face, uv


def contour_landmarks(
    vertices: np.ndarray,
    faces: np.ndarray,
    weights: np.ndarray,
    joints: np.ndarray,
    named: dict[str, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Faces [79, 17] and float32 (u, v) [79, 17, 2] of the outline of cheeks and jaw.

    Row -yaw for a head that turns to its right by up to 39 degrees, row 39 + yaw to its left.
    """
    eyes = joints[[INDEX["left_eye_smplhf"], INDEX["right_eye_smplhf"]]]
    chosen = _face_without_ears(vertices, faces, weights, vertices[named["lear"]])
    mesh = RayMesh(vertices, faces[chosen])
    center = np.array(
        [
            0,
            eyes[:, 1].mean() - 0.012,
            0.5 * (joints[INDEX["head"], 2] + vertices[named["nose"], 2]),
        ]
    )
    angles = np.deg2rad(np.linspace(-178, -2, CONTOUR))
    face = np.zeros((TURNS, CONTOUR), np.int64)
    uv = np.zeros((TURNS, CONTOUR, 2), np.float32)
    for row in range(TURNS):
        yaw = np.deg2rad(-row if row < 40 else row - 39)
        # towards the viewer, in the head's own frame
        view = np.array([-np.sin(yaw), 0, np.cos(yaw)])
        right = np.array([np.cos(yaw), 0, np.sin(yaw)])
        outward = np.cos(angles)[:, None] * right + np.sin(angles)[:, None] * np.array(
            [0.0, 1.0, 0.0]
        )
        reach = _silhouette(mesh, center, outward, view)
        found, uv[row], _ = _hits(mesh, center + outward * reach[:, None] + view * FAR, -view)
        face[row] = chosen[found]
    return face, uv


def _silhouette(
    mesh: RayMesh, center: np.ndarray, outward: np.ndarray, view: np.ndarray
) -> np.ndarray:
    """How far [17] the surface reaches from the center in each direction as seen from `view`, by
    bisection."""
    low = np.zeros(len(outward))
    high = np.full(len(outward), 0.2)
    for _ in range(12):
        middle = 0.5 * (low + high)
        depth = _hits(mesh, center + outward * middle[:, None] + view * FAR, -view)[2]
        met = depth < FAR + 0.25
        low = np.where(met, middle, low)
        high = np.where(met, high, middle)
    return low


def _hits(
    mesh: RayMesh, starts: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces, (u, v) and distances of the first hits of parallel rays."""
    face, weights, distance = mesh.hits(starts, np.broadcast_to(direction, starts.shape))
    return face, weights[:, 1:], distance


def _face_without_ears(
    vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray, ear: np.ndarray
) -> np.ndarray:
    """Indices of the faces of the head above the chin, ears left out."""
    head = (
        weights[
            :, [INDEX[name] for name in ("head", "jaw", "left_eye_smplhf", "right_eye_smplhf")]
        ].sum(1)
        > 0.6
    )
    for side in (1.0, -1.0):
        head &= np.linalg.norm(vertices * [side, 1, 1] - ear, axis=1) > EAR_RADIUS
    chin = vertices[(weights[:, INDEX["jaw"]] > 0.6) & (np.abs(vertices[:, 0]) < 0.012), 1].min()
    head &= vertices[:, 1] > chin - 0.004
    return np.flatnonzero(head[faces].all(1))


def _frontal_layout(nose: float) -> np.ndarray:
    """iBUG landmarks 17 … 67 seen from the front [51, 2], in eye distances from the middle of the
    eyes.

    nose: how far its tip lies below the eyes. x is the person's left.
    """
    mouth = nose + 0.52
    brow = [(0.86, 0.30), (0.72, 0.42), (0.55, 0.45), (0.38, 0.42), (0.22, 0.34)]
    eye = [(-0.25, 0.0), (-0.11, 0.09), (0.07, 0.09), (0.23, -0.01), (0.07, -0.08), (-0.11, -0.08)]
    outer = [
        (-0.36, 0.0),
        (-0.22, 0.09),
        (-0.08, 0.14),
        (0.0, 0.12),
        (0.08, 0.14),
        (0.22, 0.09),
        (0.36, 0.0),
        (0.22, -0.12),
        (0.09, -0.17),
        (0.0, -0.18),
        (-0.09, -0.17),
        (-0.22, -0.12),
    ]
    inner = [
        (-0.3, 0.0),
        (-0.1, 0.03),
        (0.0, 0.03),
        (0.1, 0.03),
        (0.3, 0.0),
        (0.1, -0.03),
        (0.0, -0.03),
        (-0.1, -0.03),
    ]
    points = [(-x, y) for x, y in brow] + brow[::-1]
    points += [(0.0, -0.02 - nose * k) for k in (0, 0.3, 0.6, 0.9)]
    points += [(x, -nose - 0.17) for x in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    points += [(x - 0.5, y) for x, y in eye] + [(0.5 - x, y) for x, y in [*eye[3::-1], *eye[:3:-1]]]
    points += [(x, y - mouth) for x, y in outer + inner]
    return np.array(points)
