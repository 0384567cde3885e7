"""Files of motions: the layout of AvatarReX, ActorsHQ and THuman4.0, and that of AMASS.

The first three publish SMPL-X's parameters by name, in a world of their cameras, which is kept as
it is: `smpl_params.npz` of a subject, and the sequences of THuman4.0_POSE. AMASS publishes all
rotations in one array, z up, of SMPL-H or of SMPL-X.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hgm.body.joints import HAND_WIDTH, HANDS
from hgm.body.motion.sequence import ROTATIONS, TABLES, Motion
from hgm.core.files import atomic_write
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError

NAMED = ("body_pose", "global_orient", "transl")  # what every file by names has
NAMED_FPS = 30.0  # of AvatarReX, ActorsHQ and THuman4.0, whose files do not say it
RATES = ("mocap_framerate", "mocap_frame_rate")  # AMASS of SMPL-H, and of SMPL-X
BETAS = (10, 16)  # shape coefficients of the data sets
# of AMASS's `poses`: the parts in their order
SMPL_H = {"global_orient": 3, "body_pose": 63, **dict.fromkeys(HANDS, HAND_WIDTH)}
SMPL_X = ROTATIONS
# Pelvis joints of the mean bodies at rest, in meters. A body turns about its own, which the file
# does not hold: that of another shape or gender lies within some centimeters, by which the whole
# motion is then shifted, the same in each frame.
SMPL_H_PELVIS = np.array([-0.0018, -0.2233, 0.0282])
SMPL_X_PELVIS = np.array([0.0031, -0.3514, 0.0120])
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # (x, y, z) -> (x, z, -y)


def read_motion(path: str | Path) -> Motion:
    """The motion in an npz file of AvatarReX, ActorsHQ, THuman4.0 or AMASS, told by its keys.

    Raises InputError with the file and the key for what is missing, misshapen or not finite;
    objects in the file are never unpickled.
    """
    known = {*TABLES, "fps", "poses", "trans", *RATES}
    arrays = {
        key: numbers_of(value, f"{path}: {key}")
        for key, value in read_npz(path, sorted(known), what="npz file of a motion").items()
    }
    if "poses" not in arrays and "body_pose" not in arrays:
        raise InputError(
            f"{path}: has neither the key body_pose (AvatarReX, ActorsHQ, THuman4.0) nor poses "
            "(AMASS); expected a motion of SMPL-X or SMPL-H"
        )
    read = _amass if "poses" in arrays else _named
    try:
        return read(arrays, path)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def is_amass(path: str | Path) -> bool:
    """Whether a motion's file is one of AMASS. Raises InputError for a file that is no npz."""
    return "poses" in read_npz(path, ["poses"], what="npz file of a motion")


def write_motion(path: str | Path, motion: Motion) -> None:
    """Write a motion in AvatarReX's layout, with three keys that its own files lack: leye_pose,
    reye_pose and fps. Equal motions give equal bytes. Raises InputError for betas of a width that
    `read_motion` refuses."""
    _betas(motion.betas, path)
    arrays = {name: getattr(motion, name) for name in TABLES}
    with atomic_write(path) as file:
        np.savez(file, **arrays, fps=np.float64(motion.fps))


def _named(arrays: Mapping[str, np.ndarray], path: str | Path) -> Motion:
    """A file of parameters by name: SMPL-X, hands as rotations of a flat hand. What is absent
    beside NAMED is zero, since sequences made for driving an avatar hold no face and no shape."""
    for key in NAMED:
        _require(arrays, key, path)
    given = {key: arrays[key] for key in TABLES if key in arrays}
    if "betas" in given:
        given["betas"] = _betas(given["betas"], path)
    return Motion.of(**given, fps=_rate(arrays, "fps", path) if "fps" in arrays else NAMED_FPS)


def _amass(arrays: Mapping[str, np.ndarray], path: str | Path) -> Motion:
    """A file of AMASS, turned from z up to y up. Shape coefficients of SMPL-H are of another space
    than SMPL-X's: the motion has the mean shape then."""
    layouts = {sum(layout.values()): layout for layout in (SMPL_H, SMPL_X)}
    poses, trans = (_require(arrays, key, path) for key in ("poses", "trans"))
    if poses.ndim != 2 or poses.shape[1] not in layouts:
        raise InputError(
            f"{path}: poses is {poses.shape}, expected (frames, 156) of SMPL-H or (frames, 165) of "
            "SMPL-X"
        )
    if trans.shape != (len(poses), 3):
        raise InputError(f"{path}: trans is {trans.shape}, expected ({len(poses)}, 3)")
    for key, array in (("poses", poses), ("trans", trans)):
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {key} holds numbers that are not finite")
    if not len(poses):
        raise InputError(f"{path}: poses holds no frames")
    rate = next((key for key in RATES if key in arrays), RATES[0])
    fps = _rate(arrays, rate, path)
    layout = layouts[poses.shape[1]]
    parts = dict(zip(layout, np.split(poses, np.cumsum([*layout.values()])[:-1], 1), strict=True))
    pelvis = SMPL_X_PELVIS
    if "betas" in arrays:
        betas = _betas(arrays["betas"], path)
        if layout is SMPL_X:
            parts["betas"] = betas
    if layout is SMPL_H:
        pelvis = SMPL_H_PELVIS
    return Motion.of(
        **{**parts, "global_orient": _y_up(parts["global_orient"])},
        transl=(trans + pelvis) @ Z_UP.T - SMPL_X_PELVIS,
        fps=fps,
    )


def _y_up(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors [F, 3] of a body in a world of z up -> of y up."""
    from scipy.spatial.transform import Rotation

    return (Rotation.from_matrix(Z_UP) * Rotation.from_rotvec(vectors)).as_rotvec()


def _require(arrays: Mapping[str, np.ndarray], key: str, path: str | Path) -> np.ndarray:
    if key not in arrays:
        raise InputError(f"{path}: the key {key} is missing; expected a motion")
    return arrays[key]


def _betas(array: np.ndarray, path: str | Path) -> np.ndarray:
    """Shape coefficients [1 or F, S] of an array that may lack its first dimension."""
    rows = array[None] if array.ndim == 1 else array
    if rows.ndim != 2 or rows.shape[1] not in BETAS:
        wanted = " or ".join(str(width) for width in BETAS)
        raise InputError(f"{path}: betas is {array.shape}, expected (1, {wanted})")
    return rows


def _rate(arrays: Mapping[str, np.ndarray], key: str, path: str | Path) -> float:
    """Frames a second under a key."""
    array = _require(arrays, key, path)
    if array.size != 1 or not (np.isfinite(array).all() and array.item() > 0):
        raise InputError(f"{path}: {key} is {array.tolist()!s:.60}, expected one positive number")
    return float(array.item())
