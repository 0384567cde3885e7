"""The SMPL-X parameters of a capture, one row a frame: smpl_params.npz of all three data sets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from hgm.body.joints import HAND_WIDTH, HANDS
from hgm.body.motion.files import read_motion
from hgm.body.motion.sequence import Motion
from hgm.core.npz import numbers_of, read_npz
from hgm.errors import InputError
from hgm.systems.animatable.layout import PARAMETERS

SAME = 1e-4  # by which the betas of frames may differ
FAR = 10.0  # m; nobody is further from the origin of a capture


def read_parameters(root: Path) -> Motion:
    """The motion of a capture, whose row i is the frame of number i, with one shape.

    Raises InputError, which names the file and the key, for what is missing or misshapen, hands as
    coefficients, betas that differ between frames, and a place that is not in meters.
    """
    path = root / PARAMETERS
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected SMPL-X of each frame: betas, global_orient, transl, "
            "body_pose, jaw_pose, expression, left_hand_pose, right_hand_pose"
        )
    for name, hand in read_npz(path, HANDS, what="npz file of SMPL-X").items():
        width = numbers_of(hand, f"{path}: {name}").shape[-1:]
        if width != (HAND_WIDTH,):
            raise InputError(
                f"{path}: {name} is {hand.shape}, expected (frames, {HAND_WIDTH}): rotations of 15 "
                "joints, and no coefficients of hand components; export it with use_pca=False, "
                "flat_hand_mean=True"
            )
    motion = read_motion(path)
    spread = float(np.ptp(motion.betas, axis=0).max())
    if spread > SAME:
        raise InputError(
            f"{path}: betas differ between the frames, by up to {spread:.3g}; a person has one "
            "shape: fit all frames with the same betas, which may be (1, 10)"
        )
    away = float(np.abs(motion.transl).max())
    if away > FAR:
        raise InputError(
            f"{path}: transl reaches {away:.0f}, expected meters, at most {FAR:g}; millimeters "
            "have to be divided by 1000, as T of the calibration"
        )
    return dataclasses.replace(motion, betas=motion.betas[:1])
