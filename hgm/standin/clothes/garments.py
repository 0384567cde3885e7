"""Garments: how far each one stands off the body, its folds, and how far the skin below is drawn
in."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

import numpy as np

from hgm.geometry.normals import unit, vertex_normals
from hgm.standin.assets import Cloth, StandinAssets
from hgm.standin.body.skeleton import BODY_VERTICES, EYE_VERTICES
from hgm.standin.clothes.outfit import (
    SHOE_HEIGHTS,
    Outfit,
    arm_hole_level,
    jacket_level,
    shoe_level,
    skirt_level,
    top_level,
    trousers_level,
)
from hgm.standin.mesh.pieces import Patch, Piece, Sheet, sew, still
from hgm.standin.mesh.triangles import relaxed
from hgm.standin.noise import ValueNoise, ramp
from hgm.standin.person import StandinBody

THINNING = 0.009  # m the skin gives way below clothes, so that it never shows through them


def dress(
    assets: StandinAssets, body: StandinBody, outfit: Outfit, noise: ValueNoise
) -> list[Piece]:
    """The garments of an outfit: bottom or skirt, top, jacket and shoes. They are cut on the body
    of these betas without its pose, and keep that shape at rest in every pose."""
    betas = body.fit["betas"][0].astype(np.float64)
    tights = assets.tights
    worn = tights.worn(betas)
    draped = _sheet(tights, relaxed(worn, tights.average, 6))
    design = draped.design
    pieces = []
    if outfit.bottom == "skirt":
        skirt = _sheet(assets.skirt, assets.skirt.worn(betas))
        level = skirt_level(skirt.design, outfit.waist, outfit.skirt_length)
        pieces.append(sew("skirt", skirt, level, lambda p: skirt_offset(p, outfit, noise), 0.006))
    else:
        level = trousers_level(design, outfit.waist, outfit.cuff)
        pieces.append(
            sew("bottom", draped, level, lambda p: trousers_offset(p, outfit, noise), 0.020)
        )
    level = top_level(design, outfit.cut, outfit.hem)
    if outfit.top == "tank":
        level = np.minimum(level, arm_hole_level(design))
    pieces.append(sew("top", draped, level, lambda p: top_offset(p, outfit, noise), 0.022))
    if outfit.jacket:
        level = jacket_level(design, outfit)
        pieces.append(sew("jacket", draped, level, lambda p: jacket_offset(p, noise), 0.022))
    smooth_feet = _sheet(tights, relaxed(worn, tights.average, 8))
    pieces.append(sew("shoes", smooth_feet, shoe_level(design, outfit.shoes), shoe_offset, 0.012))
    return [replace(piece, shape=still(piece.shape(body.posed.rest))) for piece in pieces]


def _sheet(cloth: Cloth, vertices: np.ndarray) -> Sheet:
    surface = cloth.surface
    return Sheet(still(vertices), surface.faces, surface.uvs, surface.weights, surface.design)


def bump(x: np.ndarray, center: float, width: float) -> np.ndarray:
    """A Gaussian hill of height 1."""
    return np.exp(-(((x - center) / width) ** 2))


def top_folds(design: np.ndarray, noise: ValueNoise, seed: float = 0.0) -> np.ndarray:
    """Folds across elbows, shoulders and waist, in meters [N]."""
    side = np.abs(design[:, 0])
    elbow = bump(side, 0.43, 0.09)
    shoulder = bump(side, 0.20, 0.05)
    waist = ramp(design[:, 1], -0.05, -0.32) * (side < 0.25)
    folds = (
        noise(design, (42, 10, 10), 3.0 + seed) * elbow
        + 0.7 * noise(design, (26, 14, 14), 9.0 + seed) * shoulder
        + 0.8 * noise(design, (9, 30, 9), 5.0 + seed) * waist
    )
    return 0.0032 * folds + 0.0012 * noise.octaves(design, 26, 2, 1.0 + seed)


def leg_folds(design: np.ndarray, noise: ValueNoise) -> np.ndarray:
    """Folds across knees, ankles and hips, in meters [N]."""
    height = design[:, 1]
    knee = bump(height, -0.80, 0.10)
    ankle = ramp(height, -0.98, -1.15)
    hip = bump(height, -0.42, 0.07)
    folds = noise(design, (8, 38, 8), 4.0) * (0.8 * knee + 1.1 * ankle) + 0.7 * hip * noise(
        design, (24, 26, 12), 11.0
    )
    return 0.0036 * folds + 0.0012 * noise.octaves(design, 24, 2, 2.0)


def top_offset(patch: Patch, outfit: Outfit, noise: ValueNoise) -> np.ndarray:
    """A top: looser towards the hem, close to the body where it is tucked in."""
    side = np.abs(patch.design[:, 0])
    height = patch.design[:, 1]
    thickness = 0.0075 if outfit.tucked else 0.0085
    loose = 0.010 * outfit.loose * ramp(height, 0.05, -0.25) * (side < 0.3)
    sleeves = 0.007 * outfit.loose * ramp(side, 0.2, 0.3)
    belly = (-0.001 if outfit.tucked or outfit.dress else 0.004) * ramp(height, -0.15, -0.22)
    seam = 0.0015 * ramp(patch.level, 0.018, 0.013)
    below = np.zeros_like(height)
    if outfit.tucked or outfit.dress:
        below = ramp(height, outfit.waist - 0.005, outfit.waist - 0.03)
    pressed = below * (loose + (0.004 if outfit.bottom == "skirt" else thickness - 0.0015))
    return (
        thickness
        + loose
        + sleeves
        + belly
        + seam
        - pressed
        + top_folds(patch.design, noise) * (1 - below)
    )


def trousers_offset(patch: Patch, outfit: Outfit, noise: ValueNoise) -> np.ndarray:
    """Trousers: wider towards the cuffs, shorts stand off, a waistband on top."""
    height = patch.design[:, 1]
    hips = 0.006 + 0.004 * ramp(height, -0.3, -0.5)
    wide = 0.010 * outfit.wide * ramp(height, -0.45, -1.0)
    shorts = (0.012 if outfit.bottom == "shorts" else 0.0) * ramp(height, -0.45, -0.65)
    band = 0.0018 * ramp(patch.level, 0.022, 0.016) * (height > outfit.waist - 0.05)
    offset = hips + wide + shorts + band + leg_folds(patch.design, noise)
    if outfit.tucked:
        return offset
    # flat below a top that hangs over it
    over = ramp(height, outfit.hem, outfit.hem + 0.04)
    return offset * (1 - over) + 0.0025 * over


def skirt_offset(patch: Patch, outfit: Outfit, noise: ValueNoise) -> np.ndarray:
    """A skirt: flared and pleated towards the hem; [N,3]."""
    design = patch.design
    down = ramp(design[:, 1], -0.25, -0.75)
    around = np.arctan2(design[:, 0], design[:, 2])
    pleats = outfit.pleat_depth * down * np.sin(outfit.pleats * around + 1.5 * noise(design, 6))
    ripple = 0.010 + pleats + 0.002 * noise.octaves(design, 18, 2)
    radial = (patch.vertices - [0, 0, patch.vertices[:, 2].mean()]) * [1, 0, 1]
    return patch.normals * ripple[:, None] + radial * (0.6 * outfit.flare * down)[:, None]


def jacket_offset(patch: Patch, noise: ValueNoise) -> np.ndarray:
    """A jacket, over the top, with a collar."""
    side = np.abs(patch.design[:, 0])
    height = patch.design[:, 1]
    body = 0.021 + 0.010 * ramp(height, 0.05, -0.3) * (side < 0.3) + 0.005 * ramp(side, 0.2, 0.3)
    collar = 0.010 * ramp(height, 0.10, 0.16) * (side < 0.12)
    return (
        body
        + collar
        + 0.7 * top_folds(patch.design, noise, 5.0)
        + 0.002 * ramp(patch.level, 0.025, 0.018)
    )


def shoe_offset(patch: Patch) -> np.ndarray:
    """A shoe: thicker to the ground, with the sole pushed down and a rim around it; [N,3]."""
    height = patch.design[:, 1]
    normals = patch.normals
    below = ramp(-normals[:, 1], 0.3, 0.8)
    offset = normals * (0.006 + 0.003 * ramp(height, -1.24, -1.27))[:, None]
    offset[:, 1] -= 0.012 * below
    return (
        offset + normals * [1, 0, 1] * (0.004 * ramp(height, -1.262, -1.270) * (1 - below))[:, None]
    )


def covered(design: np.ndarray, outfit: Outfit) -> np.ndarray:
    """How much clothes cover the skin at design positions [N,3]: 0 bare to 1 well below them."""
    cover = ramp(top_level(design, outfit.cut, outfit.hem), 0.012, 0.05)
    if outfit.bottom != "skirt":
        cover = np.maximum(
            cover, ramp(trousers_level(design, outfit.waist, outfit.cuff), 0.012, 0.05)
        )
    return np.maximum(cover, ramp(SHOE_HEIGHTS[outfit.shoes] - design[:, 1], 0.01, 0.03))


def bare_body(assets: StandinAssets, body: StandinBody, outfit: Outfit) -> list[Piece]:
    """Skin, thinner below the clothes, and the two eyeballs. The skin's uvs are in MakeHuman's
    layout."""
    skin = assets.skin
    thinned = (THINNING * covered(skin.design, outfit))[:, None]

    def shape(rest: np.ndarray) -> np.ndarray:
        vertices = skin.matrix @ rest[:BODY_VERTICES]
        return vertices - vertex_normals(vertices, skin.faces) * thinned

    pieces = [Piece("skin", shape, skin.weights, skin.faces, skin.uvs)]
    for side, faces in enumerate(assets.eye_faces):
        part = slice(BODY_VERTICES + side * EYE_VERTICES, BODY_VERTICES + (side + 1) * EYE_VERTICES)
        eye = body.posed.rest[part]
        outwards = unit(eye - 0.5 * (eye.max(0) + eye.min(0)))
        uvs = 0.5 + 0.48 * outwards[:, :2]
        pieces.append(
            Piece("eye", itemgetter(part), assets.skeleton.weights[part], faces, uvs[faces])
        )
    return pieces
