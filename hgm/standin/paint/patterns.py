"""Cloth patterns, drawn in design coordinates so that they follow the body, and the small strokes
of sewing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hgm.standin.noise import ValueNoise, ramp

SLEEVE = 0.185  # |x| of the seam between trunk and sleeve
TRUNK_GIRTH = 0.85
ARM_GIRTH = 0.38
LEG_GIRTH = 0.53


def mix(color: np.ndarray, other: np.ndarray | float, mask: np.ndarray) -> np.ndarray:
    """color [N,3] where mask [N] is 0, `other` ([3], [N,3] or a gray) where it is 1."""
    share = np.asarray(mask, np.float32)[:, None]
    return (color * (1 - share) + share * np.asarray(other, np.float32)).astype(np.float32)


def darken(color: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """color [N,3] times (1 - amount [N])."""
    return color * (1 - np.asarray(amount, np.float32))[:, None]


def line(distance: np.ndarray, half_width: float, soft: float) -> np.ndarray:
    """1 on a line, 0 further away than half_width: [N] from distances [N]; `soft` <= half_width has
    full strength."""
    return ramp(np.abs(distance), half_width, soft)


def plain(color: np.ndarray, count: int) -> np.ndarray:
    """[count,3] of one color."""
    return np.tile(np.asarray(color, np.float32), (count, 1))


@dataclass(frozen=True)
class Weave:
    """A pattern's input: design [N,3] m, where the points lie on the garment, three colors, the
    pattern's size."""

    design: np.ndarray
    place: Coordinates
    colors: tuple[np.ndarray, np.ndarray, np.ndarray]
    scale: float
    noise: ValueNoise
    rng: np.random.Generator

    def cells(self, period: float) -> tuple[np.ndarray, np.ndarray]:
        """Position in cells of about `period` meters, around [N] (whole cells in a turn) and along
        [N]."""
        return self.place.turn * self.place.repeats(period), self.place.along / period


@dataclass(frozen=True)
class Coordinates:
    """turn [N] around trunk or limb in -0.5-0.5, its girth [N] m and the length along it [N] m."""

    turn: np.ndarray
    girth: np.ndarray
    along: np.ndarray

    def repeats(self, period: float) -> np.ndarray:
        """How many whole periods of about `period` meters go around; [N]."""
        return np.maximum(np.round(self.girth / period), 1)


def skirt_coordinates(design: np.ndarray) -> Coordinates:
    """Around and along the trunk and what hangs below it."""
    x, y, z = design.T
    turn = np.arctan2(x / 0.16, (z - 0.02) / 0.11) / (2 * np.pi)
    return Coordinates(turn, np.full_like(turn, TRUNK_GIRTH), y)


def trunk_coordinates(design: np.ndarray) -> Coordinates:
    """Around and along the trunk; on the sleeves around and along the arm."""
    x, y, z = design.T
    trunk = skirt_coordinates(design)
    side = np.abs(x)
    sleeve = side > SLEEVE
    turn = np.where(sleeve, np.arctan2(z - 0.035, y - 0.09) / (2 * np.pi), trunk.turn)
    return Coordinates(
        turn, np.where(sleeve, ARM_GIRTH, trunk.girth), np.where(sleeve, 0.05 - side, y)
    )


def leg_coordinates(design: np.ndarray) -> Coordinates:
    """Around and along hips and legs."""
    x, y, z = design.T
    hips = skirt_coordinates(design)
    leg = y < -0.42
    center = 0.105 + 0.075 * ramp(y, -0.45, -1.2)
    turn = np.arctan2((np.abs(x) - center) / 0.08, (z - 0.03) / 0.08) * np.sign(x) / (2 * np.pi)
    return Coordinates(np.where(leg, turn, hips.turn), np.where(leg, LEG_GIRTH, hips.girth), y)


def _centered(cells: np.ndarray) -> np.ndarray:
    """Distance to the middle of the cell, in cells: [N] in 0-0.5."""
    return np.abs(cells % 1 - 0.5)


def _plain(w: Weave) -> np.ndarray:
    return plain(w.colors[0], len(w.design))


def _stripes(w: Weave) -> np.ndarray:
    period = w.rng.uniform(0.028, 0.07) * w.scale
    share = w.rng.uniform(0.25, 0.55)
    off = _centered(w.cells(period)[1])
    return mix(_plain(w), w.colors[1], 1 - ramp(off, 0.5 * share - 0.03, 0.5 * share + 0.03))


def _checks(w: Weave) -> np.ndarray:
    cells = w.cells(w.rng.uniform(0.035, 0.08) * w.scale)
    bands = np.sum([ramp(np.sin(2 * np.pi * c), -0.15, 0.15) for c in cells], 0)
    threads = np.sum([line(_centered(c + 0.25), 0.055, 0.02) for c in cells], 0)
    return mix(mix(_plain(w), w.colors[1], 0.5 * bands), w.colors[2], np.clip(threads, 0, 1))


def _dots(w: Weave) -> np.ndarray:
    across, along = w.cells(w.rng.uniform(0.025, 0.05) * w.scale)
    u = (across + 0.5 * (np.floor(along) % 2)) % 1 - 0.5
    return mix(_plain(w), w.colors[1], ramp(np.hypot(u, along % 1 - 0.5), 0.30, 0.24))


def _camo(w: Weave) -> np.ndarray:
    color = mix(_plain(w), w.colors[1], ramp(w.noise.octaves(w.design, 22, 3, 3.0), 0.15, 0.25))
    return mix(color, w.colors[2], ramp(w.noise.octaves(w.design, 22, 3, 19.0), 0.45, 0.55))


def _blocks(w: Weave) -> np.ndarray:
    slope = w.design[:, 1] + 0.35 * w.design[:, 0]
    return mix(
        mix(_plain(w), w.colors[1], ramp(slope, -0.055, -0.06)),
        w.colors[2],
        line(slope + 0.02, 0.022, 0.018),
    )


def _pin(w: Weave) -> np.ndarray:
    return mix(
        _plain(w), w.colors[1], 0.6 * line(_centered(w.cells(0.018 * w.scale)[0]), 0.07, 0.03)
    )


def _flowers(w: Weave) -> np.ndarray:
    period = 0.055 * w.scale
    across, along = w.cells(period)
    column = np.floor(across) % w.place.repeats(period)
    row = np.floor(along)

    def scattered(cells: np.ndarray, a: float, b: float) -> np.ndarray:
        chance = np.sin(column.astype(np.float64) * a + row * b) * 43758.5 % 1
        return cells % 1 - 0.5 - 0.3 * (chance - 0.5)

    u = scattered(across, 127.1, 311.7)
    v = scattered(along, 269.5, 183.3)
    radius = np.hypot(u, v)
    petals = 0.09 * np.cos(5 * np.arctan2(v, u))
    color = mix(_plain(w), w.colors[1], np.clip((0.26 + petals - radius) / 0.04, 0, 1))
    return mix(color, w.colors[2], ramp(radius, 0.09, 0.06))


PATTERNS: Mapping[str, Callable[[Weave], np.ndarray]] = {
    "plain": _plain,
    "logo": _plain,
    "number": _plain,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "camo": _camo,
    "blocks": _blocks,
    "pin": _pin,
    "flowers": _flowers,
}


def woven(
    color: np.ndarray, design: np.ndarray, noise: ValueNoise, strength: float = 0.05
) -> np.ndarray:
    """Uneven threads and faint stains; clipped to 0-1."""
    grain = noise(design, 420.0) + noise.octaves(design, 30, 3)
    return np.clip(color * (1 + np.float32(strength) * grain)[:, None], 0, 1)


def hemmed(color: np.ndarray, level: np.ndarray, width: float = 0.016) -> np.ndarray:
    """A darker hem of this width along the edge of a garment, with a line of stitches."""
    inside = ramp(level, width + 0.002, width) * ramp(level, -0.002, 0.0)
    return darken(darken(color, 0.25 * inside), 0.35 * line(level - width, 0.0016, 0.0006))
