"""Closed parts of a subject (skin, eyes, garments, hair), each a solid of its own with a tile in
the texture."""

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
    """A closed mesh in the pose: vertices [V,3] m, faces [F,3], uvs [F,3,2] in the layout of
    `tile`.

    Corners whose uvs are NaN show the color of the lining.
    """

    tile: str
    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray


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
    """A mesh on the body at rest that a garment is cut from: vertices [V,3], faces, corner uvs,
    weights, design."""

    vertices: np.ndarray
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
    posed: Posed,
) -> Piece:
    """Cut `sheet` where `level` [V] is positive, give it a thickness and pose it.

    `outward` returns how far the outer side lies off the sheet, [N] along the normals or [N,3]; the
    inner side lies `inward` meters below it and shows the lining; the rim repeats the color of the
    edge.
    """
    cut = clip(sheet.faces, sheet.uvs, level).without_crumbs()
    vertices = cut.at(sheet.vertices)
    weights = cut.at(sheet.weights)
    count = len(vertices)
    average = neighbor_average(cut.faces, count)
    normals = vertex_normals(vertices, cut.faces)
    for _ in range(3):
        normals = average @ normals
    normals = unit(normals)

    offset = outward(Patch(cut.at(sheet.design), cut.at(level), vertices, normals))
    outer = vertices + (normals * offset[:, None] if offset.ndim == 1 else offset)
    inner = vertices - inward * normals
    faces, rim = sheet_with_back(cut.faces, count)
    at_vertex = np.zeros((count, 2))
    at_vertex[cut.faces.ravel()] = cut.uvs.reshape(-1, 2)
    uvs = np.concatenate([cut.uvs, np.full_like(cut.uvs, np.nan), rim_uvs(at_vertex, rim)])
    carried = posed.carry(np.concatenate([outer, inner]), np.concatenate([weights, weights]))
    return Piece(tile, carried, faces, uvs)


def rim_uvs(at_vertex: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """[2E,3,2]: UVs of the rim faces of `sheet_with_back`, those of the front's edge."""
    a = at_vertex[rim[:, 0]]
    b = at_vertex[rim[:, 1]]
    return np.concatenate([np.stack([b, a, a], 1), np.stack([b, a, b], 1)])
