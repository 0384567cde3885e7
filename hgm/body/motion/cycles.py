"""Motions made of formulas: a person who walks, waves, dances, squats, stretches, or moves at
random.

Each is written for the left side, seen from the person; the right side is its mirror image, half a
period later where the sides alternate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from hgm.body.joints import ACROSS, BODY_NAMES, split_joint
from hgm.body.motion.curves import random_curves
from hgm.body.motion.planting import planted
from hgm.body.motion.sequence import Motion
from hgm.errors import InputError

Turns = dict[str, np.ndarray]  # rotation vectors [F, 3] by part, as on the left side
FINGER = ((0.0, 0.0, -0.25), (0.0, 0.0, -0.4), (0.0, 0.0, -0.25))
THUMB = ((0.15, -0.1, 0.0), (0.0, -0.15, 0.0), (0.0, -0.2, 0.0))
RELAXED_HAND = np.array([*FINGER, *FINGER, *FINGER, *FINGER, *THUMB])  # [15, 3], the left one


def cycle(
    name: str, frames: int, fps: float = 30.0, seed: int = 0, *, travel: bool = False
) -> Motion:
    """A made motion of the mean body with relaxed hands; `name` is one of CYCLES.

    The seed sets tempo, size and the moment of the start. The feet stand on the level of the soles
    of the rest pose, and a foot that stands stays where it is, up to what the legs of the body that
    is moved differ from those of `hgm.body.motion.planting`. `walk` goes on the spot, as on a
    treadmill; with `travel` it goes forward, along +z. `random` does not move in space, so its feet
    leave the ground. Raises InputError for another name, for frames and a seed that are not whole
    numbers from 1 and from 0 on, for a rate that is not positive, and for `travel` of another
    motion than `walk`.
    """
    if name not in CYCLES:
        raise InputError(f"motion: {name!r:.40} is not one of {', '.join(CYCLES)}")
    for what, given, least in (("frames", frames, 1), ("seed", seed, 0)):
        if not (isinstance(given, Integral) and given >= least):
            raise InputError(
                f"motion {name}: {what} is {given!s:.40}, expected a whole number from {least} on"
            )
    if not (isinstance(fps, Real) and np.isfinite(fps) and fps > 0):
        raise InputError(f"motion {name}: fps is {fps}, expected a positive number")
    walks = name == "walk"
    if travel and not walks:
        raise InputError(f"motion {name}: it cannot travel, only walk can; leave travel out")
    rng = np.random.default_rng(seed)
    if name == "random":
        moving = random_curves(frames, rng)
    else:
        period, pose = FORMULAS[name]
        tempo, size, start = rng.uniform([0.93, 0.88, 0.0], [1.07, 1.0, 1.0])
        phase = 2 * np.pi * (start + np.arange(frames) / fps * tempo / period)
        moving = pose(phase, size)
        transl = planted(
            moving["global_orient"], moving["body_pose"], _stance(phase) if walks else None
        )
        if walks and not travel:
            transl[:, 2] -= np.linspace(0, transl[-1, 2], frames)
        moving["transl"] = transl
    hands = {
        "left_hand_pose": np.tile(RELAXED_HAND.reshape(-1), (frames, 1)),
        "right_hand_pose": np.tile((RELAXED_HAND * ACROSS).reshape(-1), (frames, 1)),
    }
    return Motion.of(**{**hands, **moving}, fps=fps)


def _walk(phase: np.ndarray, size: float) -> dict[str, np.ndarray]:
    """A stride, from one heel's strike to its next; angles over the stride follow the usual curves
    of level walking (Perry, Gait Analysis, 1992), as sums of bumps."""

    def side(at: np.ndarray) -> Turns:
        # foremost a little before the heel's strike, then 60 % of the stride backward
        early = at + 2 * np.pi * 0.06
        thigh = np.cos(early + 0.347 * (np.cos(early) - 1))
        hip = -0.13 - 0.37 * size * thigh
        knee = 0.08 + size * (0.12 * _bump(at, 0.14, 5.0) + 1.05 * _bump(at, 0.69, 3.2))
        ankle = size * (0.06 * _bump(at, 0.6, 12.0) - 0.2 * _bump(at, 0.44, 5.0))
        ankle -= size * 0.16 * _bump(at, 0.79, 8.0)
        forward = -0.33 * size * np.cos(at)  # the arm of a side is behind when the leg is in front
        return {
            "hip": _turned(x=hip, y=0.04, z=-0.03),
            "knee": _turned(x=knee),
            "ankle": _turned(x=ankle),
            "foot": _turned(x=-0.28 * size * _bump(at, 0.55, 10.0)),
            "collar": _turned(z=-0.1),
            "shoulder": _turned(x=-forward, z=-1.18),
            "elbow": _turned(y=-0.25 - 0.5 * np.maximum(forward, 0)),
        }

    twist = 0.09 * size * np.cos(phase)  # the hip of the leg in front is in front
    middle = {
        "spine1": _turned(x=0.02, y=0.7 * twist),
        "spine2": _turned(x=0.02, y=0.7 * twist),
        "spine3": _turned(x=0.02, y=0.5 * twist),
        "neck": _turned(x=0.03, y=-0.4 * twist),
        "head": _turned(x=0.02, y=-0.5 * twist),
    }
    roll = 0.04 * size * np.sin(phase)  # the side of the leg that swings hangs
    return _assembled(
        side(phase), side(phase + np.pi), middle, _turned(x=0.03, y=-twist, z=roll), len(phase)
    )


def _stance(phase: np.ndarray) -> np.ndarray:
    """The shares [F, 2] of the weight on the left and on the right foot: a foot carries from its
    heel's strike for 60 % of the stride, and both do so in the first tenth."""
    at = np.stack([phase, phase + np.pi], 1) / (2 * np.pi) % 1
    return _smooth(at / 0.1) * _smooth((0.6 - at) / 0.1)


def _wave(phase: np.ndarray, size: float) -> dict[str, np.ndarray]:
    """The right forearm swings three times a period, while the weight goes once from side to
    side."""
    beat = np.sin(3 * phase)
    right = {
        "collar": _turned(z=0.18),
        "shoulder": _turned(x=0.05 * beat, y=-0.25, z=0.2 + 0.05 * beat),
        "elbow": _turned(y=-0.2, z=0.9 + 0.35 * size * beat),
        "wrist": _turned(z=0.2 * size * np.sin(3 * phase - 0.6)),
    }
    left = {"shoulder": _turned(x=0.03 * np.sin(phase), z=-1.15), "elbow": _turned(y=-0.3)}
    sway = 0.03 * size * np.sin(phase)
    middle = {
        "spine2": _turned(z=-0.6 * sway),
        "head": _turned(x=0.05 * np.sin(2 * phase), y=0.08 * np.sin(phase), z=0.08),
    }
    return _assembled(
        {**_swayed(sway), **left},
        {**_swayed(-sway), **right},
        middle,
        np.zeros(3),
        len(phase),
    )


def _dance(phase: np.ndarray, size: float) -> dict[str, np.ndarray]:
    """Two beats a period: knees bend at each, hips sway to the left and to the right, arms swing
    bent."""
    bend = size * 0.3 * (1 - np.cos(2 * phase)) / 2
    sway = 0.1 * size * np.sin(phase)

    def side(at: np.ndarray, lean: np.ndarray) -> Turns:
        up = 0.5 + 0.5 * np.sin(at)
        own = bend + size * 0.22 * _bump(at, 0.5, 3.0)
        return {
            **_swayed(lean),
            "hip": _turned(z=lean, x=-own),
            "knee": _turned(x=2 * own),
            "ankle": _turned(z=-lean, x=-own),
            "collar": _turned(z=0.12 * size * up),
            "shoulder": _turned(x=-0.35 - 0.3 * size * np.sin(at), z=-1.05 + 0.5 * size * up),
            "elbow": _turned(y=-1.5 - 0.4 * size * np.sin(at + 0.7)),
            "wrist": _turned(z=0.2 * size * np.sin(2 * at)),
        }

    twist = 0.12 * size * np.sin(phase + 0.5)
    middle = {
        "spine1": _turned(y=twist, z=-0.3 * sway),
        "spine2": _turned(y=twist, z=-0.3 * sway),
        "spine3": _turned(y=0.5 * twist, z=-0.3 * sway),
        "neck": _turned(x=0.08 * np.cos(2 * phase)),
        "head": _turned(x=0.1 * size * np.cos(2 * phase - 0.5), y=-1.2 * twist),
    }
    return _assembled(
        side(phase, sway), side(phase + np.pi, -sway), middle, np.zeros(3), len(phase)
    )


def _squat(phase: np.ndarray, size: float) -> dict[str, np.ndarray]:
    """Down until the thighs are nearly level and up again, heels on the ground, arms to the
    front."""
    depth = size * (1 - np.cos(phase)) / 2
    shin, thigh, lean = 0.38 * depth, -1.2 * depth, 0.3 * depth  # about x, in the world
    side = {
        "hip": _turned(x=thigh - lean, y=0.12 * depth, z=0.1 * depth),
        "knee": _turned(x=shin - thigh),
        "ankle": _turned(x=-shin),
        "shoulder": _turned(x=-0.5 * depth, y=-0.95 * depth, z=-1.15 * (1 - depth)),
        "elbow": _turned(y=-0.3 + 0.1 * depth),
    }
    middle = {
        **{f"spine{i}": _turned(x=0.14 * depth) for i in (1, 2, 3)},
        "neck": _turned(x=-0.2 * depth),
        "head": _turned(x=-0.25 * depth),
    }
    return _assembled(side, side, middle, _turned(x=lean), len(phase))


def _stretch(phase: np.ndarray, size: float) -> dict[str, np.ndarray]:
    """Arms go up sideways, the trunk bends to the left and to the right, arms go down."""
    at = phase / (2 * np.pi) % 1
    up = _smooth(at / 0.25) * _smooth((1 - at) / 0.25)
    bend = size * up * np.sin(2 * np.pi * np.clip((at - 0.2) / 0.6, 0, 1))
    side = {
        "collar": _turned(z=0.28 * up),
        "shoulder": _turned(y=-0.1 * up, z=-1.15 + 2.1 * up),
        "elbow": _turned(y=-0.3 * (1 - up), z=0.25 * up),
    }
    middle = {
        **{f"spine{i}": _turned(x=-0.03 * up, z=-0.14 * bend) for i in (1, 2, 3)},
        "neck": _turned(z=-0.1 * bend),
        "head": _turned(z=-0.1 * bend),
    }
    sway = 0.05 * bend
    return _assembled(
        {**_swayed(sway), **side},
        {**_swayed(-sway), **side},
        middle,
        np.zeros(3),
        len(phase),
    )


Formula = Callable[[np.ndarray, float], dict[str, Any]]
# by name: seconds of a period, and what a person does at phases [F] in radians, at a size
FORMULAS: Mapping[str, tuple[float, Formula]] = {
    "walk": (1.05, _walk),
    "wave": (2.0, _wave),
    "dance": (1.1, _dance),
    "squat": (3.0, _squat),
    "stretch": (5.0, _stretch),
}
CYCLES = (*FORMULAS, "random")


def _bump(phase: np.ndarray, center: float, sharpness: float) -> np.ndarray:
    """A periodic bump of height 1 at a fraction of the period (von Mises)."""
    return np.exp(sharpness * (np.cos(phase - 2 * np.pi * center) - 1))


def _smooth(x: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1 with level ends (3 x² - 2 x³)."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _turned(
    x: np.ndarray | float = 0.0, y: np.ndarray | float = 0.0, z: np.ndarray | float = 0.0
) -> np.ndarray:
    """Rotation vectors [F, 3] or [3] of a turn about z, then about y, then about x, in the frame of
    the parent joint."""
    from scipy.spatial.transform import Rotation

    angles = np.stack(np.broadcast_arrays(z, y, x), -1)
    return Rotation.from_euler("zyx", angles).as_rotvec()


def _swayed(lean: np.ndarray) -> Turns:
    """A leg that leans sideways with its sole flat: both legs take the pelvis along."""
    return {"hip": _turned(z=lean), "ankle": _turned(z=-lean)}


def _assembled(
    left: Turns, right: Turns, middle: Turns, orient: np.ndarray, frames: int
) -> dict[str, np.ndarray]:
    """The arrays of a motion of both sides, each written as the left one, and of the middle."""
    pose = np.zeros((frames, len(BODY_NAMES), 3))
    for index, name in enumerate(BODY_NAMES):
        side, part, _ = split_joint(name)
        turns = {"l": left, "r": right, "": middle}[side].get(part)
        if turns is not None:
            pose[:, index] = turns * ACROSS if side == "r" else turns
    return {
        "global_orient": np.array(np.broadcast_to(orient, (frames, 3))),
        "body_pose": pose.reshape(frames, -1),
    }
