"""SMPL-X's joints, counts and special vertices, which the stand-in body has to share so that it can
take SMPL-X's place."""

from __future__ import annotations

VERTICES = 10475
FACES = 20908
BODY_VERTICES = 9383
EYE_VERTICES = 546  # the body first, then the left eyeball, then the right one
LEFT_EYE = BODY_VERTICES
RIGHT_EYE = BODY_VERTICES + EYE_VERTICES  # first vertex of each
EYE_FACES = 1088

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINTS = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "jaw",
    "left_eye_smplhf",
    "right_eye_smplhf",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in FINGERS for k in (1, 2, 3)),
)
INDEX = {name: i for i, name in enumerate(JOINTS)}


def _hand_parents(wrist: int, first: int) -> list[int]:
    return [parent for f in range(5) for parent in (wrist, first + 3 * f, first + 3 * f + 1)]


PARENTS = (
    -1,
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    9,
    9,
    12,
    13,
    14,
    16,
    17,
    18,
    19,
    15,
    15,
    15,
    *_hand_parents(INDEX["left_wrist"], 25),
    *_hand_parents(INDEX["right_wrist"], 40),
)


def opposite(name: str) -> str:
    """The name of the joint on the other side of the body; central joints are their own
    opposite."""
    if name.startswith("left"):
        return "right" + name[4:]
    return "left" + name[5:] if name.startswith("right") else name


MIRROR = tuple(INDEX[opposite(name)] for name in JOINTS)


def descendants(joint: int) -> list[int]:
    """The joint and every joint that moves with it."""
    found = [joint]
    for child, parent in enumerate(PARENTS):
        if parent in found and child != joint:
            found.append(child)
    return found
