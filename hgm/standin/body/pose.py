"""Poses: twelve templates with noise, inside the limits of each joint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hgm.body.joints import ACROSS, BODY_NAMES, LIMITS, Triple, split_joint

# of the noise on a joint's rotation vector (rad, per axis), by family of limits
SPREADS: Mapping[str, Triple] = {
    "hip": (0.08, 0.06, 0.05),
    "knee": (0.08, 0, 0),
    "ankle": (0.05, 0.03, 0.03),
    "foot": (0.03, 0, 0),
    "spine": (0.04, 0.05, 0.03),
    "neck": (0.07, 0.12, 0.05),
    "head": (0.08, 0.18, 0.06),
    "collar": (0.02, 0.04, 0.04),
    "shoulder": (0.12, 0.14, 0.1),
    "elbow": (0.05, 0.18, 0.05),
    "wrist": (0.12, 0.08, 0.15),
}


@dataclass(frozen=True)
class Template:
    """A pose by joint, written for the left side (the right one mirrors it); `l_`/`r_` name one
    side alone."""

    weight: float
    joints: Mapping[str, Triple] = field(default_factory=dict)


TEMPLATES: Mapping[str, Template] = {
    "stand": Template(5, {"shoulder": (0.05, 0, -1.1), "elbow": (0, -0.25, 0)}),
    "a_pose": Template(3, {"shoulder": (0, 0, -0.8), "elbow": (0, -0.15, 0)}),
    "t_pose": Template(1, {"shoulder": (0, -0.05, -0.1)}),
    "walk": Template(3, {
        "l_hip": (-0.5, 0, 0), "l_knee": (0.2, 0, 0), "r_hip": (0.3, 0, 0), "r_knee": (0.5, 0, 0),
        "r_ankle": (0.2, 0, 0), "l_shoulder": (0.05, 0.35, -1.1), "r_shoulder": (0.05, -0.45, -1.1),
        "l_elbow": (0, -0.3, 0), "r_elbow": (0, -0.7, 0), "spine3": (0.03, 0.1, 0),
    }),
    "arms_up": Template(1.5, {
        "collar": (0, 0, 0.25), "shoulder": (0, -0.1, 0.85), "elbow": (0, -0.1, 0.2),
    }),
    "wave": Template(2, {
        "r_collar": (0, 0, 0.2), "r_shoulder": (0, -0.2, 0.35), "r_elbow": (0, -0.3, 1.2),
        "l_shoulder": (0.05, 0, -1.1), "l_elbow": (0, -0.3, 0),
    }),
    "hands_on_hips": Template(2, {
        "shoulder": (0.55, 0.3, -0.75), "elbow": (0.2, -1.55, 0), "wrist": (0, 0, -0.3),
    }),
    "phone": Template(1.5, {
        "l_shoulder": (0.3, -0.45, -1.0), "l_elbow": (0, -1.5, 0), "r_shoulder": (0.05, 0, -1.1),
        "r_elbow": (0, -0.25, 0), "head": (0.3, 0.1, 0),
    }),
    "point": Template(1.5, {
        "r_shoulder": (0, -1.15, -0.15), "r_elbow": (0, -0.1, 0), "l_shoulder": (0.05, 0, -1.1),
    }),
    "lunge": Template(1.5, {
        "l_hip": (-1.0, 0, 0.1), "l_knee": (1.0, 0, 0),
        "r_hip": (0.25, 0, 0), "r_knee": (0.3, 0, 0),
        "r_ankle": (0.3, 0, 0), "l_shoulder": (0, 0.3, -0.9),
        "r_shoulder": (0, -0.5, -0.8), "elbow": (0, -0.7, 0),
    }),
    "sit": Template(1, {
        "hip": (-1.4, 0.1, 0.12), "knee": (1.4, 0, 0),
        "shoulder": (0.25, -0.35, -1.0), "elbow": (0, -0.8, 0),
    }),
    "bend": Template(1, {
        "spine1": (0.3, 0, 0), "spine2": (0.25, 0, 0), "spine3": (0.15, 0, 0), "hip": (-0.35, 0, 0),
        "shoulder": (0.1, -0.5, -0.85), "elbow": (0, -0.5, 0),
    }),
}  # fmt: skip

STRIDING = ("lunge", "sit")  # poses with the thighs raised


def sample_pose(rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A template's name and body_pose [21,3] axis-angle: the template, perhaps mirrored, times a
    gain, plus noise."""
    names = list(TEMPLATES)
    weights = np.array([TEMPLATES[name].weight for name in names], float)
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    mirrored = rng.random() < 0.5
    return name, pose_of(TEMPLATES[name], rng, mirrored=mirrored, gain=rng.uniform(0.75, 1.1))


def pose_of(
    template: Template, rng: np.random.Generator, *, mirrored: bool = False, gain: float = 1.0
) -> np.ndarray:
    """body_pose [21,3] axis-angle of a template times a gain, plus noise, inside the limits."""
    return np.stack(
        [_sample_joint(template.joints, name, mirrored, gain, rng) for name in BODY_NAMES]
    )


def _sample_joint(
    template: Mapping[str, Triple], name: str, mirrored: bool, gain: float, rng: np.random.Generator
) -> np.ndarray:
    side, part, family = split_joint(name)
    source = {"l": "r", "r": "l"}.get(side, "") if mirrored else side
    goal = np.array(template.get(f"{source}_{part}", template.get(part, (0, 0, 0))), float)
    limits = LIMITS[family]
    angle = np.clip(gain * goal + rng.normal(size=3) * SPREADS[family], limits.low, limits.high)
    return angle * ACROSS if side == "r" or (mirrored and not side) else angle
