"""Cutting a mesh exactly along the zero line of a value given at its vertices: necklines, sleeves
and hems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.standin.mesh.triangles import distinct_edges, face_islands

SNAP = 2e-4  # a vertex this close to the line counts as kept, which avoids slivers


@dataclass(frozen=True)
class Cut:
    """The kept part. Vertex i lies at (1-weight) first + weight second of the old vertices; corner
    UVs [F,3,2]."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray

    def at(self, values: np.ndarray) -> np.ndarray:
        """Values [V,...] of the old vertices, interpolated at the new ones."""
        weight = self.weight.reshape(-1, *[1] * (values.ndim - 1))
        return values[self.first] * (1 - weight) + values[self.second] * weight

    def without_crumbs(self, share: float = 0.02) -> Cut:
        """The cut without islands that hold less than `share` of the faces."""
        label = face_islands(self.faces, len(self.first))
        keep = np.bincount(label)[label] > share * len(self.faces)
        used, inverse = np.unique(self.faces[keep], return_inverse=True)
        return Cut(
            self.first[used],
            self.second[used],
            self.weight[used],
            inverse.reshape(-1, 3),
            self.uvs[keep],
        )


def clip(faces: np.ndarray, uvs: np.ndarray, level: np.ndarray) -> Cut:
    """Keep the part of a mesh where `level` [V] is positive; faces on the line are cut and their
    UVs with them."""
    level = np.where(np.abs(level) < SNAP, SNAP, level)
    inside = level > 0
    corners = inside[faces].sum(1)
    whole = corners == 3
    # turn each cut face until the corner that stands alone on its side is the first one
    one_in = corners == 1
    two_in = corners == 2
    tip_faces, tip_uvs = _turned(faces[one_in], uvs[one_in], inside[faces[one_in]])
    base_faces, base_uvs = _turned(faces[two_in], uvs[two_in], ~inside[faces[two_in]])
    cut_faces = np.concatenate([tip_faces, base_faces])
    cut_uvs = np.concatenate([tip_uvs, base_uvs])

    count = len(level)
    lone = cut_faces[:, 0]
    edges = np.concatenate([np.c_[lone, cut_faces[:, k]] for k in (1, 2)])
    unique, inverse, _ = distinct_edges(edges, count)
    crossing = count + inverse.reshape(2, -1)
    uv_a, uv_b = (
        cut_uvs[:, 0]
        + _crossing(level, lone, cut_faces[:, k])[:, None] * (cut_uvs[:, k] - cut_uvs[:, 0])
        for k in (1, 2)
    )
    tips = slice(0, len(tip_faces))
    bases = slice(len(tip_faces), None)
    tip_a, tip_b = crossing[:, tips]
    base_a, base_b = crossing[:, bases]
    kept_faces = np.concatenate(
        [
            faces[whole],
            np.c_[tip_faces[:, 0], tip_a, tip_b],
            np.c_[base_a, base_faces[:, 1], base_faces[:, 2]],
            np.c_[base_a, base_faces[:, 2], base_b],
        ]
    )
    kept_uvs = np.concatenate(
        [
            uvs[whole],
            np.stack([tip_uvs[:, 0], uv_a[tips], uv_b[tips]], 1),
            np.stack([uv_a[bases], base_uvs[:, 1], base_uvs[:, 2]], 1),
            np.stack([uv_a[bases], base_uvs[:, 2], uv_b[bases]], 1),
        ]
    )
    first = np.r_[np.arange(count), unique[:, 0]]
    second = np.r_[np.arange(count), unique[:, 1]]
    weight = np.r_[np.zeros(count), _crossing(level, unique[:, 0], unique[:, 1])]
    used, inverse = np.unique(kept_faces, return_inverse=True)
    return Cut(first[used], second[used], weight[used], inverse.reshape(-1, 3), kept_uvs)


def _crossing(level: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return level[start] / (level[start] - level[end])


def _turned(faces: np.ndarray, uvs: np.ndarray, alone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces and corner UVs rotated so that the corner marked in `alone` [F,3] comes first."""
    order = (
        (np.argmax(alone, 1)[:, None] + np.arange(3)) % 3 if len(faces) else np.zeros((0, 3), int)
    )
    return np.take_along_axis(faces, order, 1), np.take_along_axis(uvs, order[..., None], 1)
