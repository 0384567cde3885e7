"""Closed parts of a person (skin, eyes, garments, hair), each a solid of its own, bound to the body
and with a tile in the texture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hgm.geometry.normals import unit, vertex_normals
from hgm.standin.body.skinning import Posed
from hgm.standin.mesh.clipping import clip
from hgm.standin.mesh.triangles import neighbor_average, sheet_with_back


@dataclass(frozen=True)
class Piece:
    """A closed mesh bound to the body: faces [F,3], uvs [F,3,2] in the layout of `tile`, skinning
    weights [V,55].

    `shape` gives its vertices [V,3] in meters at rest for those of the body at rest [10475,3], so
    that what lies on the skin follows the body's expression and pose correctives. Corners whose uvs
    are NaN show the color of the lining.
    """

    tile: str
    shape: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray

    def posed(self, body: Posed) -> np.ndarray:
        """Its vertices [V,3] in meters on a posed body."""
        return body.carry(self.shape(body.rest), self.weights)


def still(vertices: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The shape of a piece whose vertices at rest [V,3] are the same in every pose."""
    return lambda _: vertices


@dataclass(frozen=True)
class Patch:
    """A cut sheet of cloth on the body at rest: design [N,3], level [N], vertices [N,3], smooth
    normals [N,3]."""

    design: np.ndarray
    level: np.ndarray
    vertices: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class Sheet:
    """A mesh on the body at rest that a garment is cut from: its shape (as that of a Piece), faces,
    corner uvs, weights, design."""

    shape: Callable[[np.ndarray], np.ndarray]
    faces: np.ndarray
    uvs: np.ndarray
    weights: np.ndarray
    design: np.ndarray


def sew(
    tile: str,
    sheet: Sheet,
    level: np.ndarray,
    outward: Callable[[Patch], np.ndarray],
    inward: float,
) -> Piece:
    """Cut `sheet` where `level` [V] is positive and give it a thickness.

    `outward` returns how far the outer side lies off the sheet, [N] along the normals or [N,3]; the
    inner side lies `inward` meters below it and shows the lining; the rim repeats the color of the
    edge.
    """
    cut = clip(sheet.faces, sheet.uvs, level).without_crumbs()
    weights = cut.at(sheet.weights)
    design = cut.at(sheet.design)
    depth = cut.at(level)
    count = len(weights)
    average = neighbor_average(cut.faces, count)

    def shape(body: np.ndarray) -> np.ndarray:
        vertices = cut.at(sheet.shape(body))
        normals = vertex_normals(vertices, cut.faces)
        for _ in range(3):
            normals = average @ normals
        normals = unit(normals)
        offset = outward(Patch(design, depth, vertices, normals))
        outer = vertices + (normals * offset[:, None] if offset.ndim == 1 else offset)
        return np.concatenate([outer, vertices - inward * normals])

    faces, rim = sheet_with_back(cut.faces, count)
    at_vertex = np.zeros((count, 2))
    at_vertex[cut.faces.ravel()] = cut.uvs.reshape(-1, 2)
    uvs = np.concatenate([cut.uvs, np.full_like(cut.uvs, np.nan), rim_uvs(at_vertex, rim)])
    return Piece(tile, shape, np.concatenate([weights, weights]), faces, uvs)


def rim_uvs(at_vertex: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """[2E,3,2]: UVs of the rim faces of `sheet_with_back`, those of the front's edge."""
    a = at_vertex[rim[:, 0]]
    b = at_vertex[rim[:, 1]]
    return np.concatenate([np.stack([b, a, a], 1), np.stack([b, a, b], 1)])
