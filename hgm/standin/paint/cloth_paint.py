"""Colors of garments and hair at the pixels of their tiles; every function returns [N,3] in
0-1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hgm.standin.clothes.outfit import Outfit, neckline_level, sleeve_level
from hgm.standin.noise import ValueNoise, ramp
from hgm.standin.paint.atlas import Texels
from hgm.standin.paint.lettering import stamped
from hgm.standin.paint.patterns import (
    PATTERNS,
    SLEEVE,
    Coordinates,
    Weave,
    darken,
    hemmed,
    leg_coordinates,
    line,
    mix,
    plain,
    skirt_coordinates,
    trunk_coordinates,
    woven,
)

DENIM = np.array([0.17, 0.25, 0.42], np.float32)
STITCH = np.array([0.60, 0.48, 0.24], np.float32)
LEATHER = np.array([0.13, 0.09, 0.06], np.float32)
BRASS = np.array([0.75, 0.70, 0.55], np.float32)
WHITE_SOLE = np.array([0.93, 0.93, 0.90], np.float32)
DARK_SOLE = np.array([0.08, 0.07, 0.06], np.float32)


@dataclass(frozen=True)
class Tailor:
    """Outfit, noise, random numbers and the print [H,W] that all garments of one subject share."""

    outfit: Outfit
    noise: ValueNoise
    rng: np.random.Generator
    print: np.ndarray

    def pattern(
        self,
        name: str,
        design: np.ndarray,
        colors: tuple[np.ndarray, np.ndarray, np.ndarray],
        coordinates: Callable[[np.ndarray], Coordinates] = trunk_coordinates,
        scale: float = 1.0,
    ) -> np.ndarray:
        """A pattern along these coordinates around and along the body."""
        weave = Weave(design, coordinates(design), colors, scale, self.noise, self.rng)
        return PATTERNS[name](weave)


def paint_top(texels: Texels, tailor: Tailor) -> np.ndarray:
    """Pattern, print, hems, collar, placket and buttons of a top."""
    outfit = tailor.outfit
    design = texels.design
    x, y, z = design.T
    ink = outfit.palette.top
    front = ramp(z, 0.015, 0.03)
    color = tailor.pattern(outfit.pattern, design, ink)
    if outfit.pattern in ("logo", "number", "plain"):
        color = stamped(color, tailor.print, x, y + 0.03, 0.24, ink[1], front)
    if outfit.pattern in ("number", "blocks"):
        color = stamped(color, tailor.print, -x, y + 0.03, 0.26, ink[2], 1 - front)
    neck = neckline_level(design, outfit.cut)
    color = hemmed(hemmed(color, neck), sleeve_level(design, outfit.cut), 0.02)
    color = hemmed(color, np.where(np.abs(x) < 0.3, y - outfit.hem, 1.0), 0.02)
    if outfit.top in ("shirt", "polo"):
        color = _shirt_front(color, design, neck, outfit, front)
    color = darken(color, 0.35 * line(np.abs(x) - SLEEVE, 0.0022, 0.0008))
    return woven(color, design, tailor.noise)


def _shirt_front(
    color: np.ndarray, design: np.ndarray, neck: np.ndarray, outfit: Outfit, front: np.ndarray
) -> np.ndarray:
    x, y, _ = design.T
    placket = front * (y > (-9.0 if outfit.top == "shirt" else 0.02))
    color = darken(color, 0.12 * line(x, 0.016, 0.0145) * placket)
    buttons = ramp(np.hypot(x, (y + 0.5) % 0.075 - 0.0375), 0.0065, 0.005) * placket
    color = mix(
        mix(color, outfit.palette.top[2], buttons),
        0.95 * outfit.palette.top[1],
        ramp(neck, 0.047, 0.042),
    )
    side = x - 0.075
    up = y
    pocket = line(np.abs(side) - 0.042, 0.0015, 0.0005) * (np.abs(up) < 0.05)
    pocket = pocket + line(np.abs(up) - 0.05, 0.0015, 0.0005) * (np.abs(side) < 0.042)
    return darken(color, 0.45 * np.clip(pocket, 0, 1) * front)


def paint_jacket(texels: Texels, tailor: Tailor) -> np.ndarray:
    """Zip, cuffs, pockets and a print on the back."""
    outfit = tailor.outfit
    design = texels.design
    x, y, z = design.T
    side = np.abs(x)
    base = outfit.palette.jacket
    color = tailor.pattern(
        outfit.quiet_pattern, design, (base, 0.6 * base, outfit.palette.top[2]), scale=1.2
    )
    color = darken(color, 0.3 * line(side - 0.085, 0.0022, 0.001) * (z > 0.02))
    color = darken(color, 0.35 * ramp(side, 0.60, 0.605))
    color = stamped(color, tailor.print, -x, y, 0.2, outfit.palette.top[0], 1 - ramp(z, 0.0, 0.02))
    pocket = (
        line(np.abs(y + 0.27) - 0.055, 0.0018, 0.0012) * (np.abs(side - 0.12) < 0.04) * (z > 0.02)
    )
    color = darken(darken(color, 0.4 * pocket), 0.35 * line(side - SLEEVE, 0.0026, 0.001))
    return woven(color, design, tailor.noise, 0.07)


def paint_trousers(texels: Texels, tailor: Tailor) -> np.ndarray:
    """Jeans, trousers or shorts: fading, seams, pockets, belt and hems."""
    outfit = tailor.outfit
    design = texels.design
    x, y, z = design.T
    side = np.abs(x)
    base = outfit.palette.bottom
    if outfit.bottom == "jeans":
        color = plain(DENIM * tailor.rng.uniform(0.6, 1.5), len(design))
        thighs = np.exp(-(((side - 0.13) / 0.05) ** 2)) * ramp(z, 0.03, 0.09) * ramp(y, -1.1, -0.5)
        color = darken(color, -0.35 * thighs - 0.12 * tailor.noise.octaves(design, (60, 12, 60), 2))
    else:
        colors = (base, 0.7 * base, outfit.palette.top[2])
        color = tailor.pattern(outfit.quiet_pattern, design, colors, leg_coordinates)
    seam = line(z - 0.01, 0.0022, 0.0009) * (side > 0.1 + 0.05 * ramp(y, -0.4, -1.0))
    seam = seam + line(x, 0.0016, 0.0006) * (y > -0.45)
    color = darken(color, 0.4 * np.clip(seam, 0, 1))
    # the distance to the outline of a back pocket, and the slanted front pockets
    pocket = np.maximum(np.abs(side - 0.085) - 0.055, np.abs(y + 0.33) - 0.06)
    color = mix(color, STITCH, line(pocket, 0.0024, 0.0014) * (z < -0.02))
    slant = (
        line(np.abs(x) + 0.55 * (y + 0.28) - 0.125, 0.0024, 0.0014)
        * (z > 0.02)
        * (np.abs(y + 0.28) < 0.06)
    )
    color = darken(color, 0.45 * slant)
    if tailor.rng.random() < 0.6:
        color = mix(color, LEATHER, ramp(outfit.waist - y, 0.036, 0.034))
        buckle = np.maximum(side - 0.022, np.abs(outfit.waist - 0.018 - y) - 0.016)
        color = mix(color, BRASS, ramp(buckle, 0.001, -0.001) * (z > 0))
    return woven(hemmed(color, y - outfit.cuff, 0.025), design, tailor.noise, 0.08)


def paint_skirt(texels: Texels, tailor: Tailor) -> np.ndarray:
    """A skirt of its own, or the lower half of a dress in the dress's pattern."""
    outfit = tailor.outfit
    design = texels.design
    if outfit.dress:
        color = tailor.pattern(outfit.pattern, design, outfit.palette.top, skirt_coordinates)
    else:
        base = outfit.palette.bottom
        colors = (base, 0.6 * base + 0.1, outfit.palette.top[2])
        color = tailor.pattern(outfit.quiet_pattern, design, colors, skirt_coordinates)
    return woven(hemmed(color, design[:, 1] - outfit.skirt_length, 0.02), design, tailor.noise)


def paint_shoes(texels: Texels, tailor: Tailor) -> np.ndarray:
    """Sole, laces, toe cap and stripe."""
    outfit = tailor.outfit
    design = texels.design
    x, y, z = design.T
    base = outfit.palette.shoes
    sneaker = outfit.shoes == "sneaker"
    color = plain(base, len(design))
    if outfit.shoes != "flat":
        laces = ramp(np.sin(520 * z), 0.3, 0.6) * line(np.abs(x) - 0.19, 0.022, 0.016)
        color = mix(color, 0.92, laces * (z > 0.05) * (z < 0.15) * ramp(y, -1.252, -1.245))
    if sneaker:
        color = mix(color, 0.9, 0.5 * ramp(z, 0.165, 0.17))
        stripe = line(y + 1.235 + 0.35 * (z - 0.06), 0.006, 0.004) * (z < 0.12) * (z > -0.02)
        color = mix(color, 1 - base, stripe)
    color = mix(color, WHITE_SOLE if sneaker else DARK_SOLE, ramp(y, -1.262, -1.266))
    return woven(color, design, tailor.noise, 0.04)


def paint_cap(texels: Texels, tailor: Tailor, hair: np.ndarray) -> np.ndarray:
    """Hair on the head, or a knitted beanie."""
    design = texels.design
    outfit = tailor.outfit
    if outfit.hair == "beanie":
        colors = (outfit.palette.jacket, outfit.palette.top[0], outfit.palette.top[1])
        name = "stripes" if tailor.rng.random() < 0.5 else "plain"
        ribs = 0.82 + 0.18 * np.sin(900 * design[:, 0]) ** 2
        return np.clip(
            darken(tailor.pattern(name, design, colors, skirt_coordinates, 0.8), 1 - ribs), 0, 1
        )
    noise = tailor.noise
    return _strands(
        hair, noise(design, (300, 16, 60), 4.0) + 0.7 * noise(design, (120, 8, 40), 1.0)
    )


def paint_strands(centers: np.ndarray, hair: np.ndarray, noise: ValueNoise) -> np.ndarray:
    """Long hair, at the pixel centers [N,2] of its tile."""
    points = np.c_[90 * centers[:, 0], 3 * centers[:, 1], np.zeros(len(centers))]
    return _strands(hair, noise(points, 1.0, 6.0) + 0.7 * noise(points, (0.4, 2.0, 1.0), 2.0))


def _strands(hair: np.ndarray, strand: np.ndarray) -> np.ndarray:
    shine = 0.025 * np.clip(strand, 0, 2)[:, None]
    return np.clip(hair * np.clip(1 + 0.18 * strand, 0.5, 2.0)[:, None] + shine, 0, 1).astype(
        np.float32
    )
