"""Hair: a cap over the scalp, long hair that falls behind it, a bun, or a beanie."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from hgm.geometry.rays import RayMesh
from hgm.standin.assets import StandinAssets
from hgm.standin.body.skeleton import BODY_VERTICES
from hgm.standin.clothes.outfit import Outfit
from hgm.standin.mesh.pieces import Patch, Piece, Sheet, rim_uvs, sew, still
from hgm.standin.mesh.subdivision import icosphere
from hgm.standin.mesh.triangles import sheet_with_back, signed_volume
from hgm.standin.noise import ValueNoise, ramp
from hgm.standin.person import StandinBody

CAP_HEIGHTS = {"crop": 0.006, "short": 0.020, "bob": 0.024, "long": 0.022, "bun": 0.012}
# height of the hairline over depth z, from the nape to the forehead (design meters)
HAIRLINE = (
    (-0.20, -0.02, 0.03, 0.065, 0.095, 0.125, 0.17),
    (0.205, 0.225, 0.262, 0.300, 0.345, 0.366, 0.374),
)
HEAD = 15
NECK = 12
CHEST = 9  # joints that long hair follows
REACH = 118  # degrees from the back of the head to the front edges of long hair
COLUMNS = 72
ROWS = 60


def hairline_level(design: np.ndarray) -> np.ndarray:
    """Positive on the scalp: about the distance above the hairline, less than zero on the ears;
    [N]."""
    line = np.interp(design[:, 2], *HAIRLINE)
    line = line - 0.012 * ramp(np.abs(design[:, 0]), 0.035, 0.065) * ramp(design[:, 2], 0.08, 0.12)
    return np.minimum(design[:, 1] - line, ear_level(design))


def ear_level(design: np.ndarray) -> np.ndarray:
    """Negative inside an ellipsoid around each ear; [N]."""
    away = (np.abs(design[:, 0]) - 0.085, design[:, 1] - 0.297, design[:, 2] - 0.035)
    return 0.02 * (
        np.sqrt((away[0] / 0.014) ** 2 + (away[1] / 0.040) ** 2 + (away[2] / 0.036) ** 2) - 1
    )


def style_hair(
    assets: StandinAssets,
    body: StandinBody,
    outfit: Outfit,
    noise: ValueNoise,
    rng: np.random.Generator,
) -> list[Piece]:
    """The pieces of an outfit's hair. What lies on the scalp follows it; what hangs or is tied is
    styled once, on `body` as it is."""
    skin = assets.fine_skin
    scalp = Sheet(
        lambda rest: skin.matrix @ rest[:BODY_VERTICES],
        skin.faces,
        skin.uvs,
        skin.weights,
        skin.design,
    )
    if outfit.hair == "beanie":
        rim = 0.293 + 0.53 * skin.design[:, 2]  # from the nape, above the ears, to the forehead
        level = np.minimum(skin.design[:, 1] - rim, ear_level(skin.design))
        return [sew("hair", scalp, level, _beanie_offset, 0.004)]
    height = CAP_HEIGHTS[outfit.hair] * outfit.hair_volume
    strands = 0.0008 if outfit.hair == "crop" else 0.0030
    falling = outfit.hair in ("bob", "long")
    level = hairline_level(skin.design)
    if falling:  # at the back the cap ends where the falling hair comes out below it
        level = np.where(
            skin.design[:, 2] < 0.05, np.minimum(level, skin.design[:, 1] - 0.30), level
        )
    cap = sew("hair", scalp, level, lambda p: _cap_offset(p, height, strands, noise), 0.004)
    if falling:
        length = rng.uniform(0.09, 0.13) if outfit.hair == "bob" else rng.uniform(0.25, 0.40)
        room = 0.034 if outfit.jacket else 0.004
        return [cap, _falling_hair(assets, body, length, room, height, rng)]
    if outfit.hair == "bun":
        return [cap, _bun(body, rng)]
    return [cap]


def _beanie_offset(patch: Patch) -> np.ndarray:
    """Knitted, with a turned-up brim and a roomy top."""
    brim = 0.004 * ramp(patch.level, 0.035, 0.028)
    return (
        0.007
        + brim
        + 0.0008 * np.sin(700 * patch.design[:, 0])
        + 0.012 * ramp(patch.design[:, 1], 0.39, 0.43)
    )


def _cap_offset(patch: Patch, height: float, strands: float, noise: ValueNoise) -> np.ndarray:
    """Rises from the hairline, higher on the crown, with strands from front to back."""
    strand = noise(patch.design, (160, 22, 60), 2.0) + 0.6 * noise(patch.design, (60, 10, 30), 8.0)
    crown = 1 + 0.35 * ramp(patch.design[:, 1], 0.36, 0.42)
    return (
        0.0025
        + height * crown * ramp(patch.level, 0, 0.045)
        + strands * strand * ramp(patch.level, 0, 0.02)
    )


def _falling_hair(
    assets: StandinAssets,
    body: StandinBody,
    length: float,
    room: float,
    cap: float,
    rng: np.random.Generator,
) -> Piece:
    """A closed curtain around head and back: a grid of angle and height, fitted to the body at rest
    by rays.

    `length` is measured below the head joint, `room` is extra distance to the back, `cap` the
    thickness of the hair on the head, from below which the curtain comes out.
    """
    rest = body.posed.rest
    head = body.posed.joints[HEAD]
    top = head[1] + 0.135
    bottom = head[1] - length
    degrees, height = np.meshgrid(
        np.linspace(-REACH, REACH, COLUMNS), np.linspace(top, bottom, ROWS), indexing="ij"
    )
    # the front edges hang lower, and below the head everything draws together at the back
    height = height - 0.115 * ramp(np.abs(degrees), 55, 112) * ramp(height, bottom, top)
    angle = np.deg2rad(degrees) * (1 - 0.42 * ramp(height, head[1] - 0.02, head[1] - 0.16))
    away = np.stack([np.sin(angle), np.zeros_like(angle), -np.cos(angle)], -1)
    axis = head - np.array([0, 0, 0.005])

    radius = _radius(assets, rest, axis, away, height)
    falls = ramp(height, head[1] + 0.125, head[1] + 0.005)
    thickness = (
        -0.004 + (0.022 + 0.6 * cap * (1 - ramp(height, head[1] - 0.02, head[1] - 0.14))) * falls
    )
    thickness = thickness + room * ramp(height, head[1], head[1] - 0.09)
    occiput = np.exp(-(((height - head[1]) / 0.06) ** 2)) * ramp(np.abs(degrees), 95, 60)
    thickness = thickness + 0.012 * occiput
    edge = ramp(np.abs(degrees), REACH, 85)
    tip = ramp(height, bottom, bottom + 0.10)
    depth = (thickness + 0.012) * (0.25 + 0.75 * edge) * (0.15 + 0.85 * tip)
    strands = gaussian_filter(rng.normal(size=COLUMNS), 1.0) / 0.5
    inner = radius - 0.012
    outer = inner + depth + 0.0035 * strands[:, None] * tip * falls

    def place(distance: np.ndarray) -> np.ndarray:
        x = axis[0] + away[..., 0] * distance
        z = axis[2] + away[..., 2] * distance
        return np.stack([x, height, z], -1).reshape(-1, 3)

    vertices = np.concatenate([place(outer), place(inner)])
    count = COLUMNS * ROWS
    grid = _grid_faces(COLUMNS, ROWS)
    faces, rim = sheet_with_back(grid, count)
    across, down = np.meshgrid(
        np.linspace(0.02, 0.98, COLUMNS), np.linspace(0.98, 0.02, ROWS), indexing="ij"
    )
    at_vertex = np.c_[across.ravel(), down.ravel()]
    uvs = np.concatenate(
        [at_vertex[grid], np.full((len(grid), 3, 2), np.nan), rim_uvs(at_vertex, rim)]
    )
    if signed_volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
        uvs = uvs[:, ::-1]
    weights = _hanging_weights(vertices[:, 1], head[1])
    return Piece("strands", still(vertices), weights, faces, uvs)


def _radius(
    assets: StandinAssets, rest: np.ndarray, axis: np.ndarray, away: np.ndarray, height: np.ndarray
) -> np.ndarray:
    """Smoothed distance of the body from the vertical axis in directions `away`; [COLUMNS,ROWS]
    m."""
    body = assets.faces[(assets.faces < BODY_VERTICES).all(1)]
    origins = np.array([axis[0], 0, axis[2]]) + 0.5 * away
    origins[..., 1] = height
    depth = (
        RayMesh(rest, body)
        .distances(origins.reshape(-1, 3), -away.reshape(-1, 3))
        .reshape(height.shape)
    )
    radius = np.clip(np.where(np.isfinite(depth), 0.5 - depth, 0.0), 0.055, 0.16)
    for _ in range(3):
        radius = gaussian_filter(radius, (2, 3), mode="nearest")
    return radius


def _grid_faces(columns: int, rows: int) -> np.ndarray:
    index = np.arange(columns * rows).reshape(columns, rows)
    a = index[:-1, :-1].ravel()
    b = index[1:, :-1].ravel()
    c = index[1:, 1:].ravel()
    d = index[:-1, 1:].ravel()
    return np.concatenate([np.c_[a, d, c], np.c_[a, c, b]])


def _hanging_weights(height: np.ndarray, head: float) -> np.ndarray:
    """[V,55]: hair follows the head, further down the neck, then the chest."""
    weights = np.zeros((len(height), 55))
    weights[:, HEAD] = ramp(height, head - 0.10, head + 0.02)
    weights[:, NECK] = (1 - weights[:, HEAD]) * ramp(height, head - 0.22, head - 0.10)
    weights[:, CHEST] = 1 - weights[:, HEAD] - weights[:, NECK]
    return weights


def _bun(body: StandinBody, rng: np.random.Generator) -> Piece:
    """A ball of hair at the back of the head."""
    sphere, faces = icosphere(3)
    radius = rng.uniform(0.034, 0.045)
    center = body.posed.joints[HEAD] + [0, rng.uniform(0.03, 0.13), -0.115]
    twist = 1 + 0.03 * np.sin(9 * np.arctan2(sphere[:, 0], sphere[:, 1]))
    vertices = center + sphere * radius * [1.1, 1, 0.9] * twist[:, None]
    weights = np.zeros((len(vertices), 55))
    weights[:, HEAD] = 1
    uvs = 0.5 + 0.45 * sphere[:, :2]
    return Piece("strands", still(vertices), weights, faces, uvs[faces])
