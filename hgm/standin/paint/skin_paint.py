"""Colors of skin, face and eyes at the pixels of their tiles; every function returns [N,3] in
0-1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from hgm.standin.assets import StandinAssets
from hgm.standin.clothes.hair import hairline_level
from hgm.standin.noise import ValueNoise, ramp
from hgm.standin.paint.atlas import Texels
from hgm.standin.paint.patterns import darken, line, mix, plain
from hgm.standin.person import Looks

MOUTH = np.array([0.22, 0.06, 0.06], np.float32)
# |x|, y, z and radius (m) of redder places, and how much: cheeks, nose, ears, elbows, knuckles,
# knees
RED_PLACES = (
    (0.035, 0.268, 0.145, 0.022, 0.8), (0.0, 0.268, 0.18, 0.014, 0.8),
    (0.085, 0.30, 0.04, 0.03, 0.7),
    (0.43, 0.09, 0.0, 0.05, 0.5), (0.80, 0.07, 0.04, 0.05, 0.6), (0.14, -0.80, 0.09, 0.06, 0.5),
)  # fmt: skip


@dataclass(frozen=True)
class Features:
    """Where the face lies on the neutral body: eye center [3] (x > 0) and radius, height of the
    lips' line; meters. masks [H,W,3]: lips, nails and mouth in MakeHuman's UV layout."""

    eye: np.ndarray
    eye_radius: float
    lip_height: float
    masks: np.ndarray

    @classmethod
    def of(cls, assets: StandinAssets) -> Features:
        return cls(assets.eye_center, assets.eye_radius, assets.lip_height, assets.masks)


def paint_skin(
    texels: Texels, looks: Looks, features: Features, noise: ValueNoise, *, head: bool
) -> np.ndarray:
    """Skin with uneven tone, redness, lips and nails; with `head` also brows, lids, beard and
    scalp."""
    design = texels.design
    color = plain(looks.skin, len(design))
    tone = 0.035 * noise.octaves(design, 35, 4) + 0.02 * noise(design, 300)
    color = darken(color, -tone) + _redness(design, looks)
    if head:
        color = _face(color, design, looks, features, noise)
    lips, nails, mouth = _masks(features.masks, texels.uv)
    color = mix(mix(color, looks.lips, 0.85 * lips), looks.nails, 0.6 * nails)
    color = mix(color, MOUTH, mouth)
    if head:
        color = _lip_line(color, design, features)
        scalp = hairline_level(design) + 0.003 * noise(design, 260)
        color = mix(color, looks.hair, ramp(scalp, -0.004, 0.004))
    return np.clip(color, 0, 1)


def _redness(design: np.ndarray, looks: Looks) -> np.ndarray:
    blush = (
        np.array([0.16, -0.03, -0.03], np.float32)
        * looks.redness
        * float(looks.skin.mean()) ** 1.3
        * 1.4
    )
    x, y, z = design.T
    amount = np.zeros(len(design), np.float32)
    for cx, cy, cz, radius, strength in RED_PLACES:
        amount += strength * np.exp(
            -((np.abs(x) - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / radius**2
        )
    return amount[:, None] * blush.astype(np.float32)


def _masks(masks: np.ndarray, uv: np.ndarray) -> np.ndarray:
    height, width = masks.shape[:2]
    at = [(1 - uv[:, 1]) * height - 0.5, uv[:, 0] * width - 0.5]
    return np.stack([map_coordinates(masks[..., k], at, order=1, mode="nearest") for k in range(3)])


def _face(
    color: np.ndarray, design: np.ndarray, looks: Looks, features: Features, noise: ValueNoise
) -> np.ndarray:
    """Brows, lids and beard, in the part of the head in front of the ears."""
    near = np.flatnonzero((design[:, 2] > 0.04) & (design[:, 1] > 0.185))
    part = color[near]
    face = design[near]
    x = np.abs(face[:, 0])
    y = face[:, 1]
    z = face[:, 2]
    front = ramp(z, 0.085, 0.105)
    eye_x, eye_y, eye_z = features.eye

    along = (x - (eye_x - 0.018)) / 0.040
    arch = (
        eye_y
        + 0.0205
        + 0.0055 * np.sin(np.clip(along, 0, 1) * 2.3)
        - 0.008 * np.clip(along - 0.55, 0, 1)
    )
    thick = looks.brow_width * (1 - 0.55 * np.clip(along, 0, 1))
    off = np.abs(y - arch)
    brow = (
        np.clip((thick - off) / (0.65 * thick), 0, 1)
        * ramp(along, -0.06, 0.06)
        * ramp(along, 1.06, 0.85)
        * front
    )
    hairs = 0.85 + 0.15 * np.sin(900 * face[:, 0] + 1500 * y) + 0.2 * noise(face, 500)
    part = mix(part, looks.brow, 0.85 * brow * np.clip(hairs, 0, 1))

    to_eye = np.sqrt((x - eye_x) ** 2 + (y - eye_y) ** 2 + (z - eye_z) ** 2) / features.eye_radius
    part = darken(part, 0.72 * ramp(to_eye, 1.17, 1.02) * front)
    shadow = np.exp(-(((x - eye_x) / 0.02) ** 2) - ((y - eye_y - 0.011) / 0.006) ** 2) * front
    part = darken(part, (0.16 + 0.2 * looks.makeup) * shadow)
    if looks.beard > 0:
        stubble = np.clip(0.8 + 0.35 * noise(face, 1500) + 0.2 * noise(face, 120), 0, 1.15)
        part = mix(part, 0.9 * looks.hair, np.clip(_beard(face) * looks.beard * stubble, 0, 0.93))
    color = color.copy()
    color[near] = part
    return color


def _beard(design: np.ndarray) -> np.ndarray:
    """Where a beard grows: chin and jaw, cheeks up to the ears, moustache; [N] in 0-1."""
    x = np.abs(design[:, 0])
    y = design[:, 1]
    z = design[:, 2]
    jaw = (
        ramp(y, 0.262, 0.240) * ramp(y, 0.192, 0.212) * ramp(z, 0.055, 0.085) * ramp(x, 0.085, 0.07)
    )
    cheeks = ramp(y, 0.30, 0.27) * ramp(y, 0.215, 0.235)
    cheeks = cheeks * ramp(x, 0.052, 0.062) * ramp(z, 0.045, 0.06) * ramp(z, 0.11, 0.095)
    moustache = line(y - 0.2545, 0.007, 0.002) * ramp(x, 0.03, 0.022) * ramp(z, 0.15, 0.16)
    return np.clip(jaw + cheeks + moustache, 0, 1) * ramp(x, 0.11, 0.10)


def _lip_line(color: np.ndarray, design: np.ndarray, features: Features) -> np.ndarray:
    x = np.abs(design[:, 0])
    y = design[:, 1]
    z = design[:, 2]
    between = (
        line(y - features.lip_height, 0.0016, 0.0004) * ramp(x, 0.027, 0.02) * ramp(z, 0.14, 0.15)
    )
    return darken(color, 0.6 * between)


def paint_eye(centers: np.ndarray, looks: Looks) -> np.ndarray:
    """White, iris, pupil and a highlight, at the pixel centers [N,2] of the tile that shows the eye
    from the front."""
    x, y = (2 * centers - 1).astype(np.float32).T
    radius = np.hypot(x, y)
    angle = np.arctan2(y, x)
    rays = 0.5 + 0.5 * np.sin(23 * angle + 3 * np.sin(7 * angle))
    color = plain(np.array([0.90, 0.873, 0.855]), len(centers))
    iris = looks.iris * (0.65 + 0.5 * rays * ramp(radius, 0.15, 0.45))[:, None]
    color = mix(color, iris, ramp(radius, 0.47, 0.44))
    color = darken(color, 0.7 * line(radius - 0.455, 0.035, 0.01))
    color = mix(color, 0.02, ramp(radius, 0.22, 0.19))
    return mix(color, 1.0, ramp(np.hypot(x - 0.16, y - 0.20), 0.08, 0.05))
