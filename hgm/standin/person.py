"""A stand-in person: body shape, pose and face as an SMPL-X fit, and the colors of skin and
hair."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hgm.geometry.rays import RayMesh
from hgm.geometry.rotations import rotation_matrices, rotation_vector
from hgm.standin.assets import StandinAssets
from hgm.standin.body.pose import sample_pose
from hgm.standin.body.skinning import Posed, pose_body

TRUNK_AND_LEGS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 15)
ARM_GAP = 0.022  # m between an arm and the trunk, the room that clothes need
TRIES = 25
# spread of the first 12 hand components over natural hands
HAND_SPREAD = np.array(
    [0.775, 0.254, 0.252, 0.249, 0.208, 0.126, 0.121, 0.103, 0.103, 0.079, 0.065, 0.062]
)

SKIN_TONES = (
    (0.93, 0.76, 0.66), (0.86, 0.66, 0.53), (0.76, 0.55, 0.42), (0.66, 0.47, 0.35),
    (0.52, 0.36, 0.26),
    (0.42, 0.285, 0.21),
)  # fmt: skip
SKIN_SHARE = (0.2, 0.25, 0.2, 0.15, 0.1, 0.1)
HAIR_COLOURS = (
    (0.06, 0.05, 0.05), (0.14, 0.09, 0.06), (0.28, 0.17, 0.10), (0.45, 0.30, 0.16),
    (0.72, 0.56, 0.34),
    (0.42, 0.16, 0.08), (0.55, 0.55, 0.55),
)  # fmt: skip
DARK_TONE = 3
DARK_HAIR = 3
HAIR_SHARE = (0.28, 0.25, 0.17, 0.10, 0.10, 0.05, 0.05)
IRIS_COLOURS = ((0.25, 0.13, 0.06), (0.15, 0.30, 0.42), (0.25, 0.35, 0.18), (0.12, 0.07, 0.04))


@dataclass(frozen=True)
class StandinBody:
    """gender; name of the pose; the fit (float32 arrays with leading dimension 1) and what it poses
    to."""

    gender: str
    pose: str
    fit: Mapping[str, np.ndarray]
    posed: Posed


@dataclass(frozen=True)
class Looks:
    """Colors [3] in 0-1 and strengths in 0-1; brow_width in meters."""

    skin: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    lips: np.ndarray
    nails: np.ndarray
    iris: np.ndarray
    redness: float
    brow_width: float
    makeup: float
    beard: float


def random_color(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> np.ndarray:
    """A color [3] of any hue."""
    return np.array(
        colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value)), np.float32
    )


def sample_body(assets: StandinAssets, gender: str, rng: np.random.Generator) -> StandinBody:
    """A body of this gender in a pose whose arms keep off the trunk and the legs."""
    draw = np.clip(rng.normal(size=10), -1.9, 1.9)
    betas = assets.betas_mean[gender] + assets.betas_spread[gender] @ draw
    for _ in range(TRIES):
        name, rotations = sample_pose(rng)
        fit = _fit(betas, rotations, rng)
        posed = pose_body(assets.skeleton, fit)
        if arms_are_free(assets, posed):
            break
    return StandinBody(gender, name, fit, posed)


def _fit(
    betas: np.ndarray, rotations: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    heading = rotation_matrices(np.array([0, rng.uniform(-np.pi, np.pi), 0]))
    lean = rotation_matrices(rng.normal(0, 0.03, 3) * [1, 0, 1])
    gaze = rng.normal(0, 0.06, 3) * [1, 1, 0]
    jaw = abs(rng.normal(0, 0.03)) if rng.random() < 0.5 else 0.0
    fit = {
        "betas": betas,
        "global_orient": rotation_vector(heading @ lean),
        "body_pose": rotations.ravel(),
        "left_hand_pose": 0.8 * HAND_SPREAD * rng.normal(size=12),
        "right_hand_pose": 0.8 * HAND_SPREAD * rng.normal(size=12),
        "jaw_pose": np.array([jaw, 0, 0]),
        "leye_pose": gaze,
        "reye_pose": gaze,
        "expression": np.clip(0.5 * rng.normal(size=10), -1.2, 1.2),
    }
    return {key: np.asarray(value[None], np.float32) for key, value in fit.items()}


def arms_are_free(assets: StandinAssets, posed: Posed) -> bool:
    """Whether lower arms and hands stay outside the trunk and the legs, and away from them by
    ARM_GAP."""
    weights = assets.skeleton.weights
    part = weights.argmax(1)
    vertices = posed.carry(posed.rest, weights)
    trunk = np.isin(part[assets.faces], TRUNK_AND_LEGS).all(1)
    arms = vertices[np.isin(part, (18, 19, 20, 21)) | (part >= 25)][::5]
    nearest, normals = RayMesh(vertices, assets.faces[trunk]).nearest(arms)
    away = arms - nearest
    distance = np.linalg.norm(away, axis=1)
    inside = (away * normals).sum(1) < 0
    return not (inside & (distance > 0.004)).any() and int((distance < ARM_GAP).sum()) < 6


def sample_looks(gender: str, rng: np.random.Generator) -> Looks:
    """Colors of skin, hair, lips, nails and eyes."""
    female = gender == "female"
    tone = rng.choice(len(SKIN_TONES), p=SKIN_SHARE)
    hair_choice = rng.choice(len(HAIR_COLOURS), p=HAIR_SHARE)
    skin = np.array(SKIN_TONES[tone], np.float32) * np.float32(rng.uniform(0.94, 1.04))
    if tone >= DARK_TONE:  # dark skin goes with the dark hair colors
        hair_choice = hair_choice % DARK_HAIR
    hair = np.array(HAIR_COLOURS[hair_choice], np.float32) * np.float32(rng.uniform(0.8, 1.2))
    makeup = rng.uniform(0, 1.5) if female else 0.0
    lips = skin * [0.86, 0.55, 0.52] * (1 - 0.1 * makeup) + 0.12 * makeup * np.array(
        [0.6, 0.05, 0.1]
    )
    varnish = random_color(rng, (0.25, 0.85), (0.25, 0.95))
    natural = np.minimum(skin * [1.06, 1.0, 1.02] + 0.05, 1)
    return Looks(
        skin=skin,
        hair=hair,
        brow=0.7 * hair,
        lips=lips.astype(np.float32),
        nails=varnish if female and rng.random() < 0.4 else natural.astype(np.float32),
        iris=np.array(IRIS_COLOURS[rng.integers(len(IRIS_COLOURS))], np.float32),
        redness=rng.uniform(0.4, 1.1),
        brow_width=rng.uniform(0.0042, 0.0066) * (0.9 if female else 1.15),
        makeup=makeup,
        beard=0.0 if female else float(rng.choice([0, 0, 0.25, 0.45, 0.9])),
    )
