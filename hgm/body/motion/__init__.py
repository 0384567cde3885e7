"""Motions of a body: read and written in the formats of data sets, resampled, joined, or made.

None of it imports torch until a motion is turned into the parameters of a body model.
"""

from hgm.body.motion.cycles import CYCLES, cycle
from hgm.body.motion.files import read_motion, write_motion
from hgm.body.motion.sequence import Motion

__all__ = ["CYCLES", "Motion", "cycle", "read_motion", "write_motion"]
