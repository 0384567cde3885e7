"""One watertight mesh from many closed pieces: an exact boolean union that carries the texture
coordinates along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hgm.errors import ScanError
from hgm.standin.mesh.pieces import Piece

GRAIN = 65536  # texture coordinates closer than one in so many are one
SCRAP_FACES = 300
SCRAP_VOLUME = 1e-6  # smaller closed remains of the union lie inside the body


@dataclass(frozen=True)
class TexturedMesh:
    """vertices [V,3] and faces [F,3] of the closed surface; uvs [T,2] and uv_faces [F,3] of the
    same faces."""

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray
    uv_faces: np.ndarray


def unite(pieces: Sequence[Piece], vertices: Sequence[np.ndarray]) -> TexturedMesh:
    """The outer surface of all pieces where each one's vertices [V,3] are as given; their uvs are
    those of the final texture, without NaN.

    Raises ScanError when a piece is not a closed surface or nothing remains.
    """
    import manifold3d

    solid = manifold3d.Manifold.batch_boolean(
        [_solid(piece, places) for piece, places in zip(pieces, vertices, strict=True)],
        manifold3d.OpType.Add,
    )
    parts = [
        p for p in solid.decompose() if p.num_tri() > SCRAP_FACES and p.volume() > SCRAP_VOLUME
    ]
    if not parts:
        raise ScanError("stand-in: the union of all pieces is empty; report this seed as a bug")
    mesh = (parts[0] if len(parts) == 1 else manifold3d.Manifold.compose(parts)).to_mesh()
    properties = np.asarray(mesh.vert_properties).astype(np.float64)
    corners = np.asarray(mesh.tri_verts).astype(np.int64)
    # vertices that differ in their uv only are one place
    place = np.arange(len(properties))
    place[np.asarray(mesh.merge_from_vert, np.int64)] = np.asarray(mesh.merge_to_vert, np.int64)
    used, inverse = np.unique(place[corners], return_inverse=True)
    faces = inverse.reshape(-1, 3)
    a, b, c = faces.T
    real = (a != b) & (b != c) & (c != a)
    return TexturedMesh(properties[used, :3], faces[real], properties[:, 3:5], corners[real])


def _solid(piece: Piece, vertices: np.ndarray) -> Any:
    """A manifold3d solid with properties x, y, z, u, v; corners of one vertex with other uvs are
    merged in place."""
    import manifold3d

    vertex = piece.faces.ravel()
    uvs = piece.uvs.reshape(-1, 2)
    u, v = np.round(uvs * GRAIN).astype(np.int64).T
    keys, index, inverse = np.unique(
        (vertex * 2 * GRAIN + u) * 2 * GRAIN + v, return_index=True, return_inverse=True
    )
    owner = vertex[index]
    _, first = np.unique(owner, return_index=True)
    lead = first[np.searchsorted(owner[first], owner)]
    copies = np.flatnonzero(lead != np.arange(len(keys)))
    mesh = manifold3d.Mesh(
        vert_properties=np.ascontiguousarray(np.c_[vertices[owner], uvs[index]], np.float32),
        tri_verts=np.ascontiguousarray(inverse.reshape(-1, 3), np.uint32),
        merge_from_vert=copies.astype(np.uint32),
        merge_to_vert=lead[copies].astype(np.uint32),
    )
    solid = manifold3d.Manifold(mesh)
    if solid.status() != manifold3d.Error.NoError:
        raise ScanError(
            f"stand-in: the piece {piece.tile} is not a closed surface ({solid.status()}); report "
            "this seed"
        )
    return solid.as_original()
