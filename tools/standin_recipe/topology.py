"""A mesh with SMPL-X's counts from hm08: eye sockets opened, the left half decimated, mirrored,
eyeballs set in.

The counts fix the topology: 2V - F = 42 for SMPL-X as a whole. Two closed eyeballs of 546 vertices
and 1088 faces give 8; the body's 9383 vertices and 18732 faces leave 34 = 2 * 0 + 34, a sphere with
two holes of 17 edges each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from hgm.standin.body.skeleton import (
    BODY_VERTICES,
    EYE_VERTICES,
    FACES,
    INDEX,
    LEFT_EYE,
    RIGHT_EYE,
    VERTICES,
)
from tools.standin_recipe.decimation import Decimator
from tools.standin_recipe.eyes import eyeball, socket_quads
from tools.standin_recipe.features import NAMED, hidden_vertices, named_vertices, opposite
from tools.standin_recipe.rig import LEFT_TO_RIGHT, Rigged
from tools.standin_recipe.sample import Samples

HOLE_EDGES = 17
MIDLINE_SHARE = 0.22  # of the midline's vertices that go


@dataclass(frozen=True)
class Topology:
    """The new mesh and where its vertices come from; left and right are exact mirror images."""

    faces: np.ndarray  # [20908, 3]: left body, right body, left eye, right eye
    uv: np.ndarray  # [U, 2]
    uv_faces: np.ndarray  # [20908, 3]
    source: np.ndarray  # [10475], the hm08 vertex of each vertex, -1 for eyeballs
    sphere: np.ndarray  # [1092, 3], where the eyeballs' vertices lie on the unit sphere
    mirror: np.ndarray  # [10475]
    named: dict[str, int]  # the nose and the left side's named vertices

    def vertices(self, body: np.ndarray, eyes: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """New vertices [N, 10475, 3] of hm08's [N, V, 3], eye centers [N, 2, 3] and eye radii
        [N]."""
        left, right = np.split(radius[:, None, None] * self.sphere, 2, axis=1)
        return np.concatenate(
            [body[:, self.source[:BODY_VERTICES]], eyes[:, :1] + left, eyes[:, 1:] + right], 1
        )

    def weights(self, body: np.ndarray) -> np.ndarray:
        """New skinning weights [10475, 55] of hm08's [V, 55]; the eyeballs belong to the eye
        joints."""
        weights = np.zeros((VERTICES, body.shape[1]))
        weights[:BODY_VERTICES] = body[self.source[:BODY_VERTICES]]
        weights[LEFT_EYE:RIGHT_EYE, INDEX["left_eye_smplhf"]] = 1
        weights[RIGHT_EYE:, INDEX["right_eye_smplhf"]] = 1
        return weights


@dataclass(frozen=True)
class LeftHalf:
    """The left half of hm08's body: triangles, their UV corners, and the side of every hm08 vertex
    (1 left, 0 middle)."""

    faces: np.ndarray  # [F, 3]
    corners: np.ndarray  # [F, 3]
    side: np.ndarray  # [V]


def build(samples: Samples, rigged: Rigged) -> Topology:
    """Make the topology on the mean of the rigged samples."""
    mean = rigged.vertices.mean(0)
    joints = rigged.joints.mean(0)
    mirror = samples.mirror
    half = left_half(
        samples, mean, joints[INDEX["left_eye_smplhf"]], float(rigged.eye_radius.mean())
    )
    used = np.unique(half.faces)
    named = named_vertices(mean, joints, rigged.weights, used)
    importance = _importance(half, mean, rigged.weights, mirror, used)
    importance[list(named.values())] = 1e6
    mesh = Decimator(mean, half.faces, half.corners, importance)
    decimate(mesh, half.side)
    return _assemble(mesh, half.side, samples, rigged, named)


def left_half(samples: Samples, mean: np.ndarray, eye: np.ndarray, radius: float) -> LeftHalf:
    """Triangles of the left half of the body, the eye socket cut out."""
    mirror = samples.mirror
    side = np.where(mirror == np.arange(len(mirror)), 0, np.sign(mean[:, 0])).astype(int)
    chosen = samples.quad_group == list(samples.groups).index("body")
    chosen[chosen] = (side[samples.quads[chosen]] >= 0).all(1)
    quads = samples.quads[chosen]
    corners = samples.quad_uvs[chosen]
    keep = ~socket_quads(mean, quads, eye, radius)
    quads = quads[keep]
    corners = corners[keep]
    diagonals = np.linalg.norm(mean[quads[:, [0, 1]]] - mean[quads[:, [2, 3]]], axis=2)  # [Q, 2]
    across = (diagonals[:, 0] <= diagonals[:, 1])[:, None]  # split along the shorter one

    def split(quad: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [
                np.where(across, quad[:, [0, 1, 2]], quad[:, [0, 1, 3]]),
                np.where(across, quad[:, [0, 2, 3]], quad[:, [1, 2, 3]]),
            ]
        )

    return LeftHalf(split(quads), split(corners), side)


def _importance(
    half: LeftHalf, mean: np.ndarray, weights: np.ndarray, mirror: np.ndarray, used: np.ndarray
) -> np.ndarray:
    """How much each hm08 vertex matters: little where nobody looks or MakeHuman spends too many."""
    importance = np.ones(len(mean))
    importance[weights[:, [INDEX["left_foot"], INDEX["right_foot"]]].sum(1) > 0.5] = 0.25
    whole = np.concatenate([half.faces, mirror[half.faces][:, ::-1]])
    hidden = hidden_vertices(mean, whole, used)
    importance[hidden] = 0.004
    importance[(weights[:, [INDEX["head"], INDEX["jaw"]]].sum(1) > 0.5) & ~hidden] = 1.6
    importance[weights[:, INDEX["left_index1"] :].sum(1) > 0.5] = 1.2
    return importance


def decimate(
    mesh: Decimator,
    side: np.ndarray,
    *,
    total: int = BODY_VERTICES,
    hole: int = HOLE_EDGES,
    midline_share: float = MIDLINE_SHARE,
    fixed: Collection[int] = (),
) -> None:
    """Shrink a left half until both halves together have `total` vertices (odd), with `hole` edges
    around the eye; the vertices `fixed` of another rim stay.

    Both halves share the midline: 2 * left + middle = total, so the midline keeps an odd number of
    vertices.
    """
    rim = {v for v in mesh.boundary if side[v] > 0 and v not in fixed}
    mesh.collapse(len(rim) - hole, lambda v: v in rim)
    rim &= mesh.alive
    rim.update(fixed)
    middle = sum(side[v] == 0 for v in mesh.alive)
    target = middle - int(midline_share * middle)
    target -= (target + 1) % 2
    mesh.collapse(middle - target, lambda v: side[v] == 0)
    left = len(mesh.alive) - target
    mesh.collapse(left - (total - target) // 2, lambda v: side[v] > 0 and v not in rim)


def _assemble(
    mesh: Decimator, side: np.ndarray, samples: Samples, rigged: Rigged, named: dict[str, int]
) -> Topology:
    """Mirror the half, add the eyeballs and number the vertices as SMPL-X's named ones require."""
    left = sorted(v for v in mesh.alive if side[v] > 0)
    middle = sorted(v for v in mesh.alive if side[v] == 0)
    source = np.array(middle + left + list(samples.mirror[left]))  # hm08 vertex of each body vertex
    number = np.full(len(samples.mirror), -1)
    number[source] = np.arange(BODY_VERTICES)
    body = np.array(list(mesh.faces.values()))
    corners = np.array(list(mesh.corners.values()))
    partner = _uv_partners(samples, side)
    right = samples.mirror[body][:, ::-1]
    right_corners = np.array(
        [
            [partner[v, t] for v, t in zip(face, corner, strict=True)]
            for face, corner in zip(body.tolist(), corners.tolist(), strict=True)
        ]
    )[:, ::-1]
    sphere, ball = eyeball()
    faces = np.concatenate(
        [number[body], number[right], ball + LEFT_EYE, ball[:, ::-1] + RIGHT_EYE]
    )
    if faces.shape != (FACES, 3) or faces.min() < 0:
        raise ValueError(f"the mesh has {len(faces)} faces, expected {FACES}")
    iris = len(samples.uv)  # the eyeballs' UVs: a small disc seen from the front
    uv = np.concatenate([samples.uv, 0.5 + 0.02 * sphere[:, :2]])
    uv_faces = np.concatenate([corners, right_corners, ball + iris, ball[:, ::-1] + iris])
    kept, uv_faces = np.unique(uv_faces, return_inverse=True)
    mirror = mirror_table(len(middle), len(left))
    order = _order(source, mirror, {name: number[v] for name, v in named.items()}, rigged)
    place = np.argsort(order)
    return Topology(
        faces=place[faces],
        uv=uv[kept],
        uv_faces=uv_faces.reshape(-1, 3),
        source=np.concatenate([source, np.full(2 * EYE_VERTICES, -1)])[order],
        sphere=np.concatenate([sphere, sphere * LEFT_TO_RIGHT])[order[LEFT_EYE:] - LEFT_EYE],
        mirror=place[mirror[order]],
        named={name: int(place[number[v]]) for name, v in named.items()},
    )


def _uv_partners(samples: Samples, side: np.ndarray) -> dict[tuple[int, int], int]:
    """(hm08 vertex, UV) of the left half -> UV of the mirrored vertex in the mirrored quad."""
    by_vertices = {frozenset(quad): i for i, quad in enumerate(samples.quads.tolist())}
    partner = {}
    body = samples.quad_group == list(samples.groups).index("body")
    for i in np.flatnonzero(body):
        if (side[samples.quads[i]] < 0).any():
            continue
        other = by_vertices.get(frozenset(samples.mirror[samples.quads[i]].tolist()))
        if other is None:
            continue
        corners = samples.quads[other].tolist()
        for v, t in zip(samples.quads[i].tolist(), samples.quad_uvs[i].tolist(), strict=True):
            partner[v, t] = int(samples.quad_uvs[other][corners.index(samples.mirror[v])])
    return partner


def mirror_table(middle: int, left: int) -> np.ndarray:
    """The mirror table of vertices in the order midline, left, right, left eye, right eye."""
    eyes = middle + 2 * left + np.arange(EYE_VERTICES)
    return np.concatenate(
        [
            np.arange(middle),
            middle + left + np.arange(left),
            middle + np.arange(left),
            eyes + EYE_VERTICES,
            eyes,
        ]
    )


def _order(
    source: np.ndarray, mirror: np.ndarray, named: dict[str, int], rigged: Rigged
) -> np.ndarray:
    """The old number of every new vertex [10475]: named vertices at SMPL-X's indices, the others by
    joint and height."""
    place = {**named, "leye": LEFT_EYE, "reye": RIGHT_EYE}  # the pupils come first in the eyeballs
    place |= {opposite(name): int(mirror[v]) for name, v in named.items() if name != "nose"}
    order = np.full(VERTICES, -1)
    for name, index in NAMED.items():
        order[index] = place[name]
    joint = rigged.weights[source].argmax(1)
    height = [round(y, 3) for y in rigged.vertices[0, source, 1]]
    taken = set(place.values())
    coherent = sorted(range(BODY_VERTICES), key=lambda v: (joint[v], mirror[v] < v, height[v]))
    for start, members in (
        (0, coherent),
        (LEFT_EYE, range(LEFT_EYE, RIGHT_EYE)),
        (RIGHT_EYE, range(RIGHT_EYE, VERTICES)),
    ):
        free = start + np.flatnonzero(order[start : start + len(members)] < 0)
        order[free] = [v for v in members if v not in taken]
    return order
