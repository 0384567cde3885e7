"""One clothed, textured person from one seed, with the exact SMPL-X fit inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hgm.errors import ScanError
from hgm.standin.actor import Actor, random_stream
from hgm.standin.mesh.triangles import is_closed
from hgm.standin.mesh.union import unite


@dataclass(frozen=True)
class Scan:
    """A scan in the data set's own units and frame (y up, any heading, longest side about 1).

    vertices [V,3] float64, faces [F,3] int64, uvs [T,2] (v upwards), uv_faces [F,3] int64, texture
    [S,S,3] uint8.
    fit: THuman2.0's SMPL-X parameters, float32 with leading dimension 1; the body of the male file
    times `scale` [1] plus `translation` [3] lies in the scan. info: what was chosen, in words.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray
    uv_faces: np.ndarray
    texture: np.ndarray
    fit: Mapping[str, np.ndarray]
    info: Mapping[str, str | bool | int]


def make_scan(seed: int, texture: int = 2048) -> Scan:
    """The stand-in scan of this seed with a square texture of so many pixels: one pose of its
    actor, united to one surface. The same seed gives the same scan.

    The texture's size changes nothing else. Raises ScanError when the seed gives no closed surface,
    or the texture is smaller than 128.
    """
    actor = Actor.of(seed, texture)
    mesh = unite(actor.pieces, actor.places(actor.body.posed))
    if not is_closed(mesh.faces):
        raise ScanError(
            f"stand-in {seed}: the surface is not closed; leave this seed out and report it"
        )
    scale, translation = _placement(mesh.vertices, random_stream(seed, "placement"))
    return Scan(
        vertices=mesh.vertices * scale + translation,
        faces=mesh.faces,
        uvs=mesh.uvs,
        uv_faces=mesh.uv_faces,
        texture=actor.lit(mesh),
        fit={**actor.body.fit, "scale": np.array([scale], np.float32), "translation": translation},
        info={
            "seed": seed,
            "gender": actor.body.gender,
            "pose": actor.body.pose,
            **actor.outfit.words(),
            "triangles": len(mesh.faces),
        },
    )


def _placement(vertices: np.ndarray, rng: np.random.Generator) -> tuple[np.float32, np.ndarray]:
    """Scale and translation [3], float32, that bring the longest side to about 1 and the middle
    near the origin."""
    low = vertices.min(0)
    high = vertices.max(0)
    scale = np.float32(rng.uniform(0.96, 1.0) / (high - low).max())
    return scale, (-0.5 * (low + high) * scale + rng.normal(0, 0.01, 3)).astype(np.float32)
