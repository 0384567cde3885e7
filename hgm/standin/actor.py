"""A stand-in person that moves: the pieces of one seed, bound to the body, with one texture."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from hgm.body.joints import HAND_WIDTH, HANDS, WIDTHS
from hgm.core.keys import derived_seed
from hgm.core.npz import numbers_of
from hgm.errors import InputError, ScanError
from hgm.standin.assets import load_assets
from hgm.standin.body.pose import STRIDING
from hgm.standin.body.skinning import Posed, pose_body
from hgm.standin.clothes.garments import bare_body, dress
from hgm.standin.clothes.hair import style_hair
from hgm.standin.clothes.outfit import Outfit, sample_outfit
from hgm.standin.mesh.pieces import Piece
from hgm.standin.mesh.union import TexturedMesh
from hgm.standin.noise import ValueNoise
from hgm.standin.paint.atlas import lay_out
from hgm.standin.paint.cloth_paint import Tailor
from hgm.standin.paint.lettering import print_image
from hgm.standin.paint.texture import developed, paint, shade, sky_light
from hgm.standin.person import StandinBody, sample_body, sample_looks

SMALLEST_TEXTURE = 128
# how many numbers a parameter may have
SIZES: Mapping[str, tuple[int, ...]] = {
    **{name: (width,) for name, width in WIDTHS.items()},
    **dict.fromkeys(HANDS, (12, HAND_WIDTH)),
    "expression": (10,),
    "transl": (3,),
}
OTHER_KEYS = ("betas", "scale", "translation")  # of a scan's fit; an actor's body stays its own


class Label(IntEnum):
    """What a face of an actor shows."""

    SKIN = 0
    CLOTH = 1
    HAIR = 2


@dataclass(frozen=True)
class Actor:
    """The person of one seed as closed pieces that overlap: body, garments, hair.

    Faces [F,3] int64, uvs [F,3,2] at their corners (v upwards) and labels [F] uint8 (of `Label`)
    are the same in every pose. `pieces` stand in the order of the faces; `body` holds the fit in
    which `make_scan` shows this person; `colors` [S,S,3] float32 in 0-1 is the texture without
    light. Where pieces overlap the outermost is what a picture without light shows, so that no
    union is needed.
    """

    seed: int
    body: StandinBody
    outfit: Outfit
    pieces: tuple[Piece, ...]
    faces: np.ndarray
    uvs: np.ndarray
    labels: np.ndarray
    colors: np.ndarray

    @classmethod
    def of(cls, seed: int, texture: int = 2048, *, skirts: bool = True) -> Actor:
        """The person of this seed with a square texture of so many pixels; the same seed gives the
        same person.

        `skirts=False` draws another outfit in the place of one with a skirt: a skirt only follows
        the legs, which come through its hem in a long stride. Raises ScanError when the texture is
        smaller than 128.
        """
        if texture < SMALLEST_TEXTURE:
            raise ScanError(
                f"texture: {texture} pixels are too few for a stand-in; ask for "
                f"{SMALLEST_TEXTURE} or more"
            )
        assets = load_assets()
        noise = ValueNoise(derived_seed("standin", seed, "noise"))
        body = body_of(seed)
        gender = body.gender
        outfit = sample_outfit(
            gender,
            random_stream(seed, "outfit"),
            skirts=skirts and body.pose not in STRIDING,
        )
        looks = sample_looks(gender, random_stream(seed, "looks"))

        pieces = bare_body(assets, body, outfit) + dress(assets, body, outfit, noise)
        pieces += style_hair(assets, body, outfit, noise, random_stream(seed, "hair"))
        atlas = lay_out(pieces, assets, texture)
        pieces = [atlas.placed(piece, assets.island) for piece in pieces]
        cloth = random_stream(seed, "cloth")
        letters = print_image(outfit.pattern == "number", cloth)
        starts = np.cumsum([0] + [len(piece.weights) for piece in pieces])
        return cls(
            seed=seed,
            body=body,
            outfit=outfit,
            pieces=tuple(pieces),
            faces=np.concatenate([p.faces + k for p, k in zip(pieces, starts[:-1], strict=True)]),
            uvs=np.concatenate([piece.uvs for piece in pieces]),
            labels=np.concatenate(
                [np.full(len(p.faces), _label(p, outfit), np.uint8) for p in pieces]
            ),
            colors=paint(assets, atlas, looks, Tailor(outfit, noise, cloth, letters)),
        )

    def posed(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Vertices [V,3] float64 in meters, y up, for one frame of SMPL-X parameters.

        Each is [width] or [1,width]; what is not given is zero. Rotations are axis-angle in
        radians; a hand is 12 coefficients over the mean hand, or 45 numbers that are the rotations
        themselves; `transl` [3] in meters moves everything. The betas stay the actor's own: those
        of the mapping are not read, nor are the scale and translation of a scan's fit. Raises
        InputError for another name, shape or number.
        """
        frame = frame_of(parameters)
        return np.concatenate(self.places(self.body_in(frame))) + frame["transl"]

    def body_in(self, frame: Mapping[str, np.ndarray]) -> Posed:
        """The actor's body in a frame that `frame_of` gave, without its `transl`."""
        return pose_body(load_assets().skeleton, {**frame, "betas": self.body.fit["betas"]})

    def places(self, posed: Posed) -> list[np.ndarray]:
        """The vertices [V,3] of each piece on the actor's body in a pose."""
        return [piece.posed(posed) for piece in self.pieces]

    @functools.cached_property
    def rest(self) -> np.ndarray:
        """Vertices [V,3] in the rest pose, arms to the sides, with the mean hand."""
        return self.posed({})

    @functools.cached_property
    def joints(self) -> np.ndarray:
        """The joints of the body in the rest pose [55,3]."""
        return self.body_in(frame_of({})).joints

    @functools.cached_property
    def texture(self) -> np.ndarray:
        """The texture [S,S,3] uint8, with the light of the sky that each point sees at rest."""
        corners = np.arange(3 * len(self.faces)).reshape(-1, 3)
        mesh = TexturedMesh(self.rest, self.faces, self.uvs.reshape(-1, 2), corners)
        return self.lit(mesh)

    def lit(self, mesh: TexturedMesh) -> np.ndarray:
        """The texture [S,S,3] uint8 with the light of the sky that a surface of this actor sees,
        and the grain of a photograph."""
        factor = shade(mesh, sky_light(mesh.vertices, mesh.faces), len(self.colors))
        return developed(self.colors, factor, random_stream(self.seed, "grain"))


def body_of(seed: int) -> StandinBody:
    """The body of the person of a seed, which takes no texture and no clothes."""
    gender = "female" if random_stream(seed, "gender").random() < 0.5 else "male"
    return sample_body(load_assets(), gender, random_stream(seed, "body"))


def random_stream(seed: int, part: str) -> np.random.Generator:
    """The random numbers of one part of the person of a seed; no part's depend on another's."""
    return np.random.default_rng(derived_seed("standin", seed, part))


def frame_of(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One frame of SMPL-X parameters, each [1,width] float64; what is not given is zero.

    Raises InputError for a name that is not known, another shape, and what is not finite numbers.
    """
    known = (*SIZES, *OTHER_KEYS)
    for name in parameters:
        if name not in known:
            raise InputError(f"parameters: {name!r} is not one of {', '.join(known)}")
    frame = {}
    for name, widths in SIZES.items():
        given = parameters.get(name, np.zeros(widths[0]))
        value = numbers_of(given, f"parameters: {name}").astype(np.float64)
        width = value.shape[-1] if value.ndim else 0
        if width not in widths or value.size != width:
            wanted = " or ".join(f"[{width}]" for width in widths)
            raise InputError(
                f"parameters: {name} has the shape {list(value.shape)}, expected {wanted}: the "
                "numbers of one frame"
            )
        if not np.isfinite(value).all():
            raise InputError(f"parameters: {name} holds numbers that are not finite")
        frame[name] = value.reshape(1, width)
    return frame


def _label(piece: Piece, outfit: Outfit) -> Label:
    """What a piece shows; a beanie is knitted in the place of the hair."""
    if piece.tile in ("skin", "eye"):
        return Label.SKIN
    hair = piece.tile in ("hair", "strands") and outfit.hair != "beanie"
    return Label.HAIR if hair else Label.CLOTH
