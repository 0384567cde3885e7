"""Random motion: parameters that move independently of each other.

An avatar that is trained on a motion where the mouth opens whenever an arm is raised learns that
the arm opens the mouth. So each moving parameter follows a curve of its own, and no two of them
correlate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hgm.body.joints import BODY_NAMES

WINDOW = 60  # frames over which no two curves correlate
# Frequencies are near 0.95, 1.9, 2.85 … periods in the window, each off by an own irrational share,
# so that their sum never repeats. Two curves of a frequency are a quarter of a period apart.
SPACING = 0.95
SHIFT = 0.03
GOLDEN = (np.sqrt(5) - 1) / 2
EXPRESSIONS = 10


@dataclass(frozen=True)
class Channel:
    """A number of a motion that moves between two values."""

    table: str
    column: int
    low: float
    high: float


def _joint(name: str, axis: int, low: float, high: float) -> Channel:
    return Channel("body_pose", 3 * BODY_NAMES.index(name) + axis, low, high)


# Radians, within hgm.body.joints.LIMITS; the right side is the mirror image of the left one.
BODY = (
    _joint("left_shoulder", 2, -1.05, 0.3),
    _joint("right_shoulder", 2, -0.3, 1.05),
    _joint("left_shoulder", 1, -0.7, 0.2),
    _joint("right_shoulder", 1, -0.2, 0.7),
    _joint("left_elbow", 1, -1.7, -0.1),
    _joint("right_elbow", 1, 0.1, 1.7),
    _joint("left_hip", 0, -0.9, 0.1),
    _joint("right_hip", 0, -0.9, 0.1),
    _joint("left_knee", 0, 0.05, 1.2),
    _joint("right_knee", 0, 0.05, 1.2),
    _joint("spine2", 1, -0.2, 0.2),
    _joint("head", 1, -0.45, 0.45),
)
FACE = (  # fast, as a face is
    _joint("head", 0, -0.15, 0.25),
    Channel("jaw_pose", 0, 0.0, 0.3),
    *(Channel("expression", i, -1.5, 1.5) for i in range(4)),
)


def independent_curves(
    channels: Sequence[Channel],
    frames: int,
    rng: np.random.Generator,
    *,
    window: int = WINDOW,
    first: int = 1,
) -> np.ndarray:
    """Curves [F, C] of channels, each in its range and of a frequency or phase of its own: over
    `window` frames and more, no two correlate above 0.3 in absolute value.

    first: number of the lowest frequency, for channels that move beside others. Time is counted in
    frames, whatever their rate.
    """
    steps = first + np.arange((len(channels) + 1) // 2)
    shares = SPACING * steps + SHIFT * (2 * (steps * GOLDEN % 1) - 1)
    starts = rng.uniform(0, 1, len(steps))
    turns = np.outer(np.arange(frames) / window, shares) + starts
    waves = np.concatenate([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], 1)
    curves = np.zeros((frames, len(channels)))
    for wave, i in zip(waves.T, rng.permutation(len(channels)), strict=False):
        low, high = channels[i].low, channels[i].high
        size = rng.uniform(0.8, 1.0) * rng.choice([-1, 1])
        curves[:, i] = (high + low) / 2 + size * (high - low) / 2 * wave
    return curves


def random_curves(frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays of a random motion of `frames` frames: body_pose, jaw_pose and expression move,
    the body stands where it is and faces +z. Over any WINDOW frames, no two columns that move
    correlate above 0.3 in absolute value."""
    arrays = {
        "global_orient": np.zeros((frames, 3)),
        "body_pose": np.zeros((frames, 3 * len(BODY_NAMES))),
        "jaw_pose": np.zeros((frames, 3)),
        "expression": np.zeros((frames, EXPRESSIONS)),
    }
    first = 1
    for group in (BODY, FACE):
        curves = independent_curves(group, frames, rng, first=first)
        for channel, curve in zip(group, curves.T, strict=True):
            arrays[channel.table][:, channel.column] = curve
        first += len(group) // 2
    return arrays
