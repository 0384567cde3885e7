"""Programs of others that estimate bodies from pictures: what each needs, how it is called, and
running it."""

from hgm.estimators.programs import PROGRAMS, Installed, Program
from hgm.estimators.running import Ended, run_program

__all__ = ["PROGRAMS", "Ended", "Installed", "Program", "run_program"]
