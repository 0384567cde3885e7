"""A motion by its name or its file."""

from __future__ import annotations

from pathlib import Path

from hgm.body.motion.cycles import CYCLES, cycle
from hgm.body.motion.files import read_motion
from hgm.body.motion.sequence import Motion
from hgm.errors import InputError


def given_motion(motion: str, frames: int, fps: float, seed: int = 0) -> Motion:
    """A motion of ours, one of CYCLES, of so many frames, or the one in a file (`read_motion`) as
    it is. Raises InputError for what is neither."""
    if motion in CYCLES:
        return cycle(motion, frames, fps, seed)
    if not Path(motion).is_file():
        raise InputError(
            f"--motion: {motion} is none of {', '.join(CYCLES)}, nor a file of a motion (.npz of "
            "AvatarReX, ActorsHQ, THuman4.0 or AMASS)"
        )
    return read_motion(motion)
