"""One clothed, textured person from one seed, with the exact SMPL-X fit inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hgm.core.keys import derived_seed
from hgm.errors import ScanError
from hgm.standin.assets import load_assets
from hgm.standin.body.pose import STRIDING
from hgm.standin.clothes.garments import bare_body, dress
from hgm.standin.clothes.hair import style_hair
from hgm.standin.clothes.outfit import sample_outfit
from hgm.standin.mesh.triangles import is_closed
from hgm.standin.mesh.union import unite
from hgm.standin.noise import ValueNoise
from hgm.standin.paint.atlas import lay_out
from hgm.standin.paint.cloth_paint import Tailor
from hgm.standin.paint.lettering import print_image
from hgm.standin.paint.texture import developed, paint, shade, sky_light
from hgm.standin.person import sample_body, sample_looks

SMALLEST_TEXTURE = 128


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
    """The stand-in scan of this seed with a square texture of so many pixels; the same seed gives
    the same scan.

    The texture's size changes nothing else. Raises ScanError when the seed gives no closed surface,
    or the texture is smaller than 128.
    """
    if texture < SMALLEST_TEXTURE:
        raise ScanError(
            f"texture: {texture} pixels are too few for a scan; ask for {SMALLEST_TEXTURE} or more"
        )

    def stream(part: str) -> np.random.Generator:
        return np.random.default_rng(derived_seed("standin", seed, part))

    assets = load_assets()
    noise = ValueNoise(derived_seed("standin", seed, "noise"))
    gender = "female" if stream("gender").random() < 0.5 else "male"
    body = sample_body(assets, gender, stream("body"))
    outfit = sample_outfit(gender, stream("outfit"), skirts=body.pose not in STRIDING)
    looks = sample_looks(gender, stream("looks"))

    pieces = bare_body(assets, body, outfit) + dress(assets, body, outfit, noise)
    pieces += style_hair(assets, body, outfit, noise, stream("hair"))
    atlas = lay_out(pieces, assets, texture)
    mesh = unite([atlas.placed(piece, assets.island) for piece in pieces])
    if not is_closed(mesh.faces):
        raise ScanError(
            f"stand-in {seed}: the surface is not closed; leave this seed out and report it"
        )

    cloth = stream("cloth")
    letters = print_image(outfit.pattern == "number", cloth)
    colors = paint(assets, atlas, looks, Tailor(outfit, noise, cloth, letters))
    factor = shade(mesh, sky_light(mesh.vertices, mesh.faces), texture)
    scale, translation = _placement(mesh.vertices, stream("placement"))
    return Scan(
        vertices=mesh.vertices * scale + translation,
        faces=mesh.faces,
        uvs=mesh.uvs,
        uv_faces=mesh.uv_faces,
        texture=developed(colors, factor, stream("grain")),
        fit={**body.fit, "scale": np.array([scale], np.float32), "translation": translation},
        info={
            "seed": seed,
            "gender": gender,
            "pose": body.pose,
            **outfit.words(),
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
