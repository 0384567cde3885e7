"""From MakeHuman's rig to SMPL-X's: 55 joints and their skinning weights, adult heights, and the T
pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hgm.geometry.rotations import rotation_matrices
from hgm.standin.body.skeleton import INDEX, JOINTS, MIRROR, PARENTS
from tools.standin_recipe.sample import Samples

BODY = 13380  # hm08's vertices of the body proper come first
EYES = {"left": slice(14598, 14670), "right": slice(14670, 14742)}
# MakeHuman numbers the fingers
FINGER_BONES = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
STATURE = {False: (1.76, 0.065), True: (1.64, 0.06)}  # mean and spread in meters: men, women
PELVIS = np.array([0, -0.35, 0.01])  # SMPL-X's origin lies in the chest; about here is its pelvis
CENTRAL_BONES = {
    "root": "pelvis",
    "pelvis": "pelvis",
    "spine05": "pelvis",
    "spine04": "spine1",
    "spine03": "spine1",
    "spine02": "spine2",
    "spine01": "spine3",
    "breast": "spine3",
    "jaw": "jaw",
    "head": "head",
}
PAIRED_BONES = {
    "foot": "ankle",
    "clavicle": "collar",
    "shoulder01": "collar",
    "wrist": "wrist",
    "eye": "eye_smplhf",
}
NUMBERED_BONES = {
    "upperleg": "hip",
    "lowerleg": "knee",
    "toe": "foot",
    "upperarm": "shoulder",
    "lowerarm": "elbow",
    "metacarpal": "wrist",
}
CENTRAL_JOINTS = {
    "spine1": "spine04",
    "spine2": "spine02",
    "spine3": "spine01",
    "neck": "neck01",
    "head": "head",
    "jaw": "jaw",
}
LIMB_JOINTS = {
    "hip": "upperleg01",
    "knee": "lowerleg01",
    "ankle": "foot",
    "collar": "clavicle",
    "shoulder": "upperarm01",
    "elbow": "lowerarm01",
    "wrist": "wrist",
}
LEFT_TO_RIGHT = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Rigged:
    """N adults in the T pose with SMPL-X's joints, mirror-symmetric, in meters."""

    vertices: np.ndarray  # [N, V, 3]
    joints: np.ndarray  # [N, 55, 3]
    weights: np.ndarray  # [V, 55]
    eye_radius: np.ndarray  # [N]
    scale: float  # mean factor from MakeHuman's heights to these


def rig(samples: Samples) -> Rigged:
    """Rig, scale and pose the samples."""
    weights = _weights(samples)
    mirror = samples.mirror
    vertices = 0.5 * (
        samples.vertices.astype(np.float64) + samples.vertices[:, mirror] * LEFT_TO_RIGHT
    )
    joints = _joints(samples, vertices)
    eye = vertices[:, EYES["left"], 1]
    radius = 0.5 * (eye.max(1) - eye.min(1))
    before = np.ptp(vertices[:, :BODY, 1], axis=1)
    factor = _statures(before, samples.female) / before
    vertices = vertices * factor[:, None, None]
    joints = joints * factor[:, None, None]
    radius = radius * factor
    scale = np.ptp(vertices[:, :BODY, 1], axis=1).mean() / before.mean()
    for i in range(len(vertices)):
        vertices[i], joints[i] = t_pose(vertices[i], joints[i], weights)
    shift = PELVIS - joints[:, :1]
    vertices = vertices + shift
    joints = joints + shift
    vertices = 0.5 * (vertices + vertices[:, mirror] * LEFT_TO_RIGHT)
    joints = 0.5 * (joints + joints[:, MIRROR] * LEFT_TO_RIGHT)
    return Rigged(vertices, joints, weights, radius, float(scale))


def joint_of_bones(names: list[str], parents: np.ndarray) -> list[str]:
    """The SMPL-X joint that takes each MakeHuman bone's skinning weight; parents come before their
    children."""
    found: dict[str, str] = {}
    for i, bone in enumerate(names):
        side = {".L": "left", ".R": "right"}.get(bone[-2:])
        stem = bone[:-2] if side else bone
        numbered = next(
            (joint for name, joint in NUMBERED_BONES.items() if stem.startswith(name)), None
        )
        paired = PAIRED_BONES.get(stem, numbered)
        if stem in CENTRAL_BONES:
            found[bone] = CENTRAL_BONES[stem]
        elif stem.startswith("neck"):
            found[bone] = "neck"
        elif side and stem.startswith("finger"):
            finger = next(name for name, number in FINGER_BONES.items() if number == int(stem[6]))
            found[bone] = f"{side}_{finger}{stem[8]}"
        elif side and paired:
            found[bone] = f"{side}_{paired}"
        else:
            found[bone] = found[names[parents[i]]]  # bones of the face follow jaw or head
    return [found[bone] for bone in names]


def _weights(samples: Samples) -> np.ndarray:
    weights = np.zeros((len(samples.weights), len(JOINTS)))
    names = [str(name) for name in samples.bone_names]
    for i, joint in enumerate(joint_of_bones(names, samples.bone_parents)):
        weights[:, INDEX[joint]] += samples.weights[:, i]
    weights = 0.5 * (weights + weights[samples.mirror][:, MIRROR])
    weights[weights < 1e-3] = 0
    return weights / weights.sum(1, keepdims=True)


def _joints(samples: Samples, vertices: np.ndarray) -> np.ndarray:
    """SMPL-X's joints [N, 55, 3] at the heads of MakeHuman's bones; eyes at the centers of the
    eyeballs."""
    names = [str(name) for name in samples.bone_names]
    heads = samples.bone_heads.astype(np.float64)

    def at(*bones: str) -> np.ndarray:
        return heads[:, [names.index(bone) for bone in bones]].mean(1)

    joints = np.zeros((len(vertices), len(JOINTS), 3))
    hips = 0.5 * (at("upperleg01.L") + at("upperleg01.R"))
    joints[:, 0] = 0.55 * hips + 0.45 * at("spine04")
    for joint, bone in CENTRAL_JOINTS.items():
        joints[:, INDEX[joint]] = at(bone)
    for side, letter in (("left", "L"), ("right", "R")):
        for joint, bone in LIMB_JOINTS.items():
            joints[:, INDEX[f"{side}_{joint}"]] = at(f"{bone}.{letter}")
        joints[:, INDEX[f"{side}_foot"]] = at(*[f"toe{k}-1.{letter}" for k in range(1, 6)])
        for finger, number in FINGER_BONES.items():
            for k in (1, 2, 3):
                joints[:, INDEX[f"{side}_{finger}{k}"]] = at(f"finger{number}-{k}.{letter}")
        eye = vertices[:, EYES[side]]
        joints[:, INDEX[f"{side}_eye_smplhf"]] = 0.5 * (eye.max(1) + eye.min(1))
    return 0.5 * (joints + joints[:, MIRROR] * LEFT_TO_RIGHT)


def _statures(heights: np.ndarray, female: np.ndarray) -> np.ndarray:
    """Adult heights in meters with the ranks of MakeHuman's heights, which spread far too much."""
    adult = np.empty_like(heights)
    for gender, (mean, spread) in STATURE.items():
        chosen = female == gender
        z = (heights[chosen] - heights[chosen].mean()) / heights[chosen].std()
        adult[chosen] = mean + spread * np.clip(z, -2.3, 2.3)
    return adult


def axis_rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    return rotation_matrices(axis / np.linalg.norm(axis) * angle)


def minimal_rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation [3, 3] by the smallest angle that turns one direction into another."""
    u = source / np.linalg.norm(source)
    v = target / np.linalg.norm(target)
    axis = np.cross(u, v)
    sine = np.linalg.norm(axis)
    return axis_rotation(axis, float(np.arctan2(sine, u @ v))) if sine > 1e-9 else np.eye(3)


def skin(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose rest vertices [V, 3] and joints [55, 3] by world rotations [55, 3, 3] of the joints."""
    posed = np.zeros_like(joints)
    for j, parent in enumerate(PARENTS):
        posed[j] = (
            joints[j]
            if parent < 0
            else posed[parent] + rotations[parent] @ (joints[j] - joints[parent])
        )
    shifts = posed - np.einsum("jab,jb->ja", rotations, joints)
    blended = np.tensordot(weights, np.concatenate([rotations, shifts[:, :, None]], 2), 1)
    return np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3], posed


def t_pose(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """MakeHuman's relaxed A pose -> SMPL-X's T pose with palms down and flat hands."""
    world = np.tile(np.eye(3), (len(JOINTS), 1, 1))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _raise_arm(world, joints, side, sign)
        _flatten_hand(world, joints, side, sign)
    return skin(vertices, joints, weights, world)


def _raise_arm(world: np.ndarray, joints: np.ndarray, side: str, sign: float) -> None:
    collar, shoulder, elbow, wrist, middle = (
        INDEX[f"{side}_{name}"] for name in ("collar", "shoulder", "elbow", "wrist", "middle1")
    )
    out = np.array([sign, 0, 0])
    at_collar = axis_rotation(np.array([0, 0, 1]), sign * np.deg2rad(9))
    at_shoulder = (
        minimal_rotation(at_collar @ (joints[elbow] - joints[shoulder]), np.array([sign, -0.03, 0]))
        @ at_collar
    )
    at_elbow = minimal_rotation(at_shoulder @ (joints[wrist] - joints[elbow]), out) @ at_shoulder
    at_wrist = minimal_rotation(at_elbow @ (joints[middle] - joints[wrist]), out) @ at_elbow
    # the palm faces down when the knuckles, from index to little finger, run along -z
    knuckles = at_wrist @ (joints[INDEX[f"{side}_pinky1"]] - joints[INDEX[f"{side}_index1"]])
    twist = sign * float(np.arctan2(-knuckles[1], -knuckles[2]))
    world[collar] = at_collar
    for joint, rotation, share in (
        (shoulder, at_shoulder, 0.3),
        (elbow, at_elbow, 0.7),
        (wrist, at_wrist, 1.0),
    ):
        world[joint] = axis_rotation(out, share * twist) @ rotation
    for joint in range(INDEX["left_index1"], len(JOINTS)):
        if JOINTS[joint].startswith(side):
            world[joint] = world[wrist]


def _flatten_hand(world: np.ndarray, joints: np.ndarray, side: str, sign: float) -> None:
    """Straight fingers, so that the flat hand is the zero pose."""
    for finger in ("index", "middle", "ring", "pinky"):
        chain = [INDEX[f"{side}_wrist"], *(INDEX[f"{side}_{finger}{k}"] for k in (1, 2, 3))]
        for before, joint, after in zip(chain, chain[1:], chain[2:], strict=False):
            bone = world[before] @ (joints[after] - joints[joint])
            level = np.array([np.hypot(bone[0], bone[1]) * sign, 0, bone[2]])
            world[joint] = minimal_rotation(bone, level) @ world[before]
        world[chain[3]] = world[chain[2]]
