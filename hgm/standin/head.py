"""The free head in FLAME 2020's format, and what a person of the stand-ins is in its terms.

Counts, file format and joint tree are FLAME's; shape and expression components are those of the
stand-in body (`hgm.standin.body.core`, the file that the fits are for), so that betas and
expressions carry over between body and head, and nothing from or to the gated model. The head is
that body's from the neck up: root, neck, jaw and eyes are its joints neck, head, jaw and eyes.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from hgm.body.flame_files import HEAD_FILE, LANDMARKS_FILE
from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.standin.actor import Actor, frame_of
from hgm.standin.assets import FILE_GENDER
from hgm.standin.body import core, correctives
from hgm.standin.body.packing import (
    barycentric,
    both_sides,
    from_grid,
    stored_faces,
    stored_regressor,
    stored_weights,
    unpack,
)
from hgm.standin.body.skeleton import INDEX, PARENTS

if TYPE_CHECKING:
    from hgm.body.flame import HeadArrays

JOINTS = ("neck", "head", "jaw", "left_eye_smplhf", "right_eye_smplhf")  # by the body's names
JOINT_MIRROR = (0, 1, 2, 4, 3)
SHAPE_COLUMNS = 300
EXPRESSION_COLUMNS = 100  # of the file; the stand-in fills the first 20 and 40
# what a video's parameters hold
SHAPE = 100
EXPRESSION = 50
MARKER_TEXT = """This head model is a free stand-in in FLAME 2020's file format. It is not FLAME.
Its shape and expression components differ from FLAME's: parameters do not carry over.
Numbers measured with it say nothing about real data. License: CC0 1.0, see LICENSE and NOTICE.
"""


@dataclass(frozen=True)
class HeadFrame:
    """A person of the stand-ins in one pose, as parameters of the head model; float64.

    The transform takes the posed head model to where the body stands (both in meters): it is that
    of the body's uppermost joint below the neck, and the identity but for a shift where the trunk
    does not turn.
    """

    shape: np.ndarray  # [100]
    expression: np.ndarray  # [50]
    pose: np.ndarray  # [15], axis-angle in radians: root, neck, jaw, left eye, right eye
    transform: np.ndarray  # [4, 4]


def head_arrays() -> HeadArrays:
    """The head model, as `hgm.body.flame.read_head` reads it."""
    from hgm.body.flame import HeadArrays

    return HeadArrays.of_file(_file())


def head_landmarks() -> dict[str, np.ndarray]:
    """iBUG's 68 landmarks on the head by the names of FLAME's landmark_embedding.npy: faces and
    barycentric coordinates of the 51 static ones, of the 17 of the contour for 79 turns of the
    head, and of all 68 for a head seen from the front."""
    stored = _stored()
    static, contour = (stored[f"{name}_face"].astype(np.int64) for name in ("landmark", "contour"))
    place, contour_place = (barycentric(stored[f"{n}_uv"]) for n in ("landmark", "contour"))
    return {
        "static_lmk_faces_idx": static,
        "static_lmk_bary_coords": place,
        "dynamic_lmk_faces_idx": contour,
        "dynamic_lmk_bary_coords": contour_place,
        "full_lmk_faces_idx": np.concatenate([contour[0], static])[None],
        "full_lmk_bary_coords": np.concatenate([contour_place[0], place])[None],
    }


def write_head(folder: str | Path) -> list[Path]:
    """Write generic_model.pkl, landmark_embedding.npy, STANDIN, LICENSE and NOTICE into `folder`.

    Equal bytes every time; returns the two files. Raises InputError rather than overwrite a model
    that is not ours.
    """
    folder = Path(folder)
    model, landmarks = (folder / name for name in (HEAD_FILE, LANDMARKS_FILE))
    if (model.exists() or landmarks.exists()) and not is_standin(folder):
        raise InputError(
            f"{folder}: holds a head model that is not a stand-in; choose another folder for the "
            "stand-in"
        )
    core.write_marker(folder, MARKER_TEXT)
    arrays = _file()
    with atomic_write(model) as file:
        pickle.dump(
            {**arrays, "J_regressor": sp.csc_matrix(arrays["J_regressor"])}, file, protocol=2
        )
    with atomic_write(landmarks) as file:
        np.save(file, np.array(head_landmarks(), dtype=object))
    return [model, landmarks]


def is_standin(folder: str | Path) -> bool:
    """Whether the head model in `folder` is the stand-in."""
    return core.is_standin(folder)


def head_parameters(actor: Actor, parameters: Mapping[str, np.ndarray]) -> HeadFrame:
    """What a frame of SMPL-X parameters is in the terms of the head model, exactly: above the neck
    the head then has the places of the actor's body. Raises InputError as `Actor.posed` does."""
    frame = frame_of(parameters)
    body_pose = frame["body_pose"].reshape(-1, 3)  # without the pelvis
    body = actor.body_in(frame)
    shape = _padded(actor.body.fit["betas"], SHAPE)
    expression = _padded(frame["expression"], EXPRESSION)
    trunk = np.eye(4)
    trunk[:3] = body.transforms[PARENTS[INDEX["neck"]]]
    trunk[:3, 3] += frame["transl"][0]
    shift = np.eye(4)  # from the head model's frame to the body's, both at rest
    shift[:3, 3] = body.joints[INDEX["neck"]] - _root(shape, expression)
    rotations = (
        body_pose[INDEX["neck"] - 1],
        body_pose[INDEX["head"] - 1],
        *(frame[name][0] for name in ("jaw_pose", "leye_pose", "reye_pose")),
    )
    return HeadFrame(
        shape=shape,
        expression=expression,
        pose=np.concatenate(rotations),
        transform=trunk @ shift,
    )


def _root(shape: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """The root [3] of the head model at rest."""
    arrays = _file()
    near = np.flatnonzero(arrays["J_regressor"][0])
    directions = arrays["shapedirs"][near]
    places = (
        arrays["v_template"][near]
        + directions[:, :, :SHAPE] @ shape
        + directions[:, :, SHAPE_COLUMNS : SHAPE_COLUMNS + EXPRESSION] @ expression
    )
    return arrays["J_regressor"][0, near] @ places


def _padded(coefficients: np.ndarray, width: int) -> np.ndarray:
    out = np.zeros(width)
    out[: coefficients.size] = coefficients.ravel()
    return out


@functools.cache
def _stored() -> dict[str, np.ndarray]:
    return core.resource("head.npz")


@functools.cache
def _file() -> dict[str, np.ndarray]:
    """The arrays of generic_model.pkl, all dense; read-only."""
    stored = _stored()
    mirror = stored["mirror"].astype(np.int64)
    template = from_grid(both_sides(unpack(stored["template"]).T, mirror)).astype(np.float64)
    shapes = from_grid(both_sides(unpack(stored["shapes"]).transpose(2, 1, 0), mirror))
    expressions = from_grid(unpack(stored["expressions"]).transpose(2, 1, 0))
    shapedirs = np.zeros((len(mirror), 3, SHAPE_COLUMNS + EXPRESSION_COLUMNS))
    shapedirs[:, :, : shapes.shape[2]] = shapes
    shapedirs[:, :, SHAPE_COLUMNS : SHAPE_COLUMNS + expressions.shape[2]] = expressions
    weights = stored_weights(stored, mirror, JOINT_MIRROR)
    regressor = stored_regressor(stored, (len(JOINTS), len(mirror)))
    parents = [2**32 - 1, *(JOINTS.index(_parent(joint)) for joint in JOINTS[1:])]
    # of the joints that FLAME has correctives for, the body has them for its head only
    posedirs = np.zeros((len(mirror), 3, 9 * (len(JOINTS) - 1)))
    posedirs[:, :, :9] = correctives.joint_basis(
        FILE_GENDER,
        INDEX["head"],
        weights[:, 1:].sum(1),
        template - regressor[1] @ template,
    )
    arrays = {
        "v_template": template,
        "f": stored_faces(stored, mirror),
        "shapedirs": shapedirs,
        "posedirs": posedirs,
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([parents, range(len(JOINTS))], np.uint32),
    }
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _parent(joint: str) -> str:
    """The body's joint that this one hangs on."""
    parent = PARENTS[INDEX[joint]]
    return next(name for name in JOINTS if INDEX[name] == parent)
