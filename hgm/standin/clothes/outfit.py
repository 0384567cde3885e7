"""What a subject wears: the choice of garments, their cuts in design coordinates, and their
colors."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hgm.standin.noise import ramp
from hgm.standin.person import random_color

PATTERNS = {
    "plain": 0.10, "stripes": 0.20, "checks": 0.17, "dots": 0.10, "logo": 0.18,
    "camo": 0.08, "number": 0.10,
    "blocks": 0.07,
}  # fmt: skip
QUIET_PATTERNS = {"plain": 0.50, "checks": 0.20, "pin": 0.15, "flowers": 0.15}
TOPS = {"tee": 0.30, "long": 0.22, "shirt": 0.25, "polo": 0.13, "tank": 0.10}
SHOES = {"sneaker": 0.6, "boot": 0.2, "flat": 0.2}
BOTTOMS = {
    "female": {"jeans": 0.35, "trousers": 0.25, "shorts": 0.13, "skirt": 0.27},
    "male": {"jeans": 0.45, "trousers": 0.35, "shorts": 0.20},
}
HAIR = {
    "female": {"short": 0.15, "bob": 0.30, "long": 0.35, "bun": 0.20},
    "male": {"short": 0.50, "crop": 0.25, "bob": 0.12, "beanie": 0.13},
}
TUCKED_HEM = -0.31  # the height a tucked-in top ends at, below the waistband
LOWEST_HEM = -0.42  # further down the pattern splits into legs
ARMS = 0.33  # half width of the trunk; a pattern's arms lie outside of it


@dataclass(frozen=True)
class TopCut:
    """Where a top ends: |x| of the sleeve, y of hem, neckline front and back, and the depth of a
    V."""

    sleeve: float
    hem: float
    front: float
    back: float
    vee: float = 0.0


TOP_CUTS: Mapping[str, TopCut] = {
    "tee": TopCut(0.30, -0.40, 0.085, 0.155),
    "long": TopCut(0.645, -0.40, 0.085, 0.155),
    "shirt": TopCut(0.64, -0.43, 0.125, 0.155, 0.035),
    "polo": TopCut(0.31, -0.40, 0.12, 0.155, 0.03),
    "tank": TopCut(0.140, -0.36, 0.04, 0.11),
    "dress": TopCut(0.25, -0.36, 0.06, 0.12),
}
JACKET_CUT = TopCut(0.652, LOWEST_HEM, 0.155, 0.175)
CUFFS = {"jeans": -1.205, "trousers": -1.215, "shorts": -0.70}
SHOE_HEIGHTS = {"sneaker": -1.205, "boot": -1.08, "flat": -1.228}
SKIRT_LENGTHS = (-0.62, -0.78, -1.0)


@dataclass(frozen=True)
class Palette:
    """Colors [3]: three of the top, one each of bottom, jacket and shoes."""

    top: tuple[np.ndarray, np.ndarray, np.ndarray]
    bottom: np.ndarray
    jacket: np.ndarray
    shoes: np.ndarray


@dataclass(frozen=True)
class Outfit:
    """The words name the garments; lengths are in design meters, looseness and the like in 0-1."""

    top: str
    bottom: str
    jacket: bool
    shoes: str
    hair: str
    pattern: str
    quiet_pattern: str
    tucked: bool
    loose: float
    cut: TopCut
    jacket_hem: float
    jacket_gap: float
    waist: float
    cuff: float
    wide: float
    skirt_length: float
    flare: float
    pleat_depth: float
    pleats: int
    hair_volume: float
    palette: Palette

    @property
    def dress(self) -> bool:
        return self.top == "dress"

    @property
    def hem(self) -> float:
        """The height at which the top ends."""
        return TUCKED_HEM if self.tucked or self.dress else self.cut.hem

    def words(self) -> dict[str, str | bool]:
        """The choices that can be told in words."""
        keys = ("top", "bottom", "jacket", "shoes", "hair", "pattern", "quiet_pattern")
        return {key: getattr(self, key) for key in keys}


def sample_outfit(gender: str, rng: np.random.Generator, *, skirts: bool = True) -> Outfit:
    """An outfit for this gender; `skirts=False` for poses in which a skirt, which only follows the
    legs, rides up."""
    top = _pick(TOPS, rng)
    bottom = _pick(BOTTOMS[gender], rng)
    jacket = bool(rng.random() < 0.28)
    if gender == "female" and rng.random() < 0.2:
        top = "dress"
        bottom = "skirt"
        jacket = False
    if jacket and top == "polo":  # two collars in one place
        top = "tee"
    if not skirts and bottom == "skirt":
        bottom = "jeans"
        top = "long" if top == "dress" else top
    pattern = _pick(PATTERNS, rng)
    base = TOP_CUTS[top]
    cut = TopCut(
        sleeve=base.sleeve + rng.uniform(-0.02, 0.02),
        hem=max(base.hem + rng.uniform(-0.03, 0.03), LOWEST_HEM),
        front=base.front,
        back=base.back,
        vee=base.vee,
    )
    return Outfit(
        top=top,
        bottom=bottom,
        jacket=jacket,
        shoes=_pick(SHOES, rng),
        hair=_pick(HAIR[gender], rng),
        pattern=pattern,
        quiet_pattern=_pick(QUIET_PATTERNS, rng),
        tucked=bottom == "skirt" or bool(rng.random() < 0.35),
        loose=rng.uniform(0, 0.4 if jacket else 1),
        cut=cut,
        jacket_hem=JACKET_CUT.hem + rng.uniform(0, 0.07),
        jacket_gap=rng.uniform(0.025, 0.06),
        waist=-0.205 + rng.uniform(-0.02, 0.03),
        cuff=CUFFS.get(bottom, 0.0) + rng.uniform(-0.015, 0.015),
        wide=rng.uniform(0, 1) * (1.6 if bottom == "trousers" else 0.8),
        skirt_length=float(rng.choice(SKIRT_LENGTHS)) + rng.uniform(-0.04, 0.04),
        flare=rng.uniform(0, 0.5),
        pleat_depth=rng.uniform(0.004, 0.014),
        pleats=int(rng.integers(9, 20)),
        hair_volume=rng.uniform(0.6, 1.25),
        palette=_sample_palette(rng),
    )


def _pick(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))


def _sample_palette(rng: np.random.Generator) -> Palette:
    top = (
        random_color(rng, (0.25, 0.85), (0.25, 0.95)),
        random_color(rng, (0.0, 0.9), (0.1, 1.0)),
        random_color(rng, (0.0, 0.9), (0.05, 1.0)),
    )
    earthy = rng.choice([0.6, 0.62, 0.08, 0, 0.1])
    bottom = np.array(
        colorsys.hsv_to_rgb(earthy, rng.uniform(0.1, 0.6), rng.uniform(0.12, 0.75)), np.float32
    )
    jacket = random_color(rng, (0.05, 0.6), (0.1, 0.6))
    shoes = random_color(rng, (0, 0.7), (0.05, 0.95))
    return Palette(top, bottom, jacket, shoes)


# Each level is positive inside the garment and is about the distance (m) to its edge: [N] from
# design positions [N,3].


def neckline_level(design: np.ndarray, cut: TopCut) -> np.ndarray:
    """Distance below the neckline."""
    x = np.abs(design[:, 0])
    y = design[:, 1]
    z = design[:, 2]
    front = ramp(z, -0.06, 0.10)
    height = cut.back * (1 - front) + cut.front * front + 0.04 * ramp(x, 0.03, 0.085) * front
    height = height - cut.vee * np.clip(1 - x / 0.05, 0, 1) * ramp(z, 0.04, 0.08)
    return height + 0.4 * ramp(x, 0.085, 0.14) - y


def on_trunk(design: np.ndarray) -> np.ndarray:
    """Which points belong to trunk and legs, not to the arms; [N] bool."""
    return (np.abs(design[:, 0]) < ARMS) | (design[:, 1] < -0.1)


def top_level(design: np.ndarray, cut: TopCut, hem: float) -> np.ndarray:
    """A top without regard to arm holes: neckline, sleeves and hem."""
    above_hem = np.where(on_trunk(design), design[:, 1] - hem, 1.0)
    return np.minimum(np.minimum(neckline_level(design, cut), sleeve_level(design, cut)), above_hem)


def sleeve_level(design: np.ndarray, cut: TopCut) -> np.ndarray:
    """Distance to the end of the sleeve; below the arms there is none."""
    level = cut.sleeve - np.abs(design[:, 0])
    return level + 0.3 * ramp(design[:, 1], 0.02, -0.02) * on_trunk(design)


def arm_hole_level(design: np.ndarray) -> np.ndarray:
    """The round arm holes of a tank top."""
    x = np.abs(design[:, 0])
    y = design[:, 1]
    return np.where(y > -0.02, np.hypot(x - 0.19, (y - 0.06) * 0.9) - 0.062, 1.0)


def trousers_level(design: np.ndarray, waist: float, cuff: float) -> np.ndarray:
    """Between waist and cuffs, without the hands that hang at that height."""
    x = np.abs(design[:, 0])
    y = design[:, 1]
    return np.where((x > 0.4) & (y > -0.2), -1.0, np.minimum(waist - y, y - cuff))


def skirt_level(design: np.ndarray, waist: float, length: float) -> np.ndarray:
    """Between waistband and hem."""
    return np.minimum(design[:, 1] - length, waist + 0.02 - design[:, 1])


def jacket_level(design: np.ndarray, outfit: Outfit) -> np.ndarray:
    """A jacket, open in front."""
    level = top_level(design, JACKET_CUT, outfit.jacket_hem)
    x = np.abs(design[:, 0])
    y = design[:, 1]
    z = design[:, 2]
    opening = x - outfit.jacket_gap * (1 + 0.7 * ramp(y, -0.1, 0.15))
    return np.where((z > 0.02) & (x < 0.2), np.minimum(level, opening), level)


def shoe_level(design: np.ndarray, shoes: str) -> np.ndarray:
    """Below the rim of the shoe, which rises towards the heel; boots have a level one."""
    rise = 0.0 if shoes == "boot" else 0.03 * ramp(design[:, 2], 0.08, 0.0)
    return SHOE_HEIGHTS[shoes] + rise - design[:, 1]
