"""Settings of numba for the kernels of this package, and the constants as float32.

numba keeps compiled code on disk and compiles again when a kernel's own file changes, but not when
a constant in another file does.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import numba
import numpy as np

from hgm.splat import constants

FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}


def _probe() -> int:
    return 0


def ensure_cache() -> None:
    """Give numba a private temporary folder for compiled code where it finds no other place that
    can be written."""
    try:
        numba.njit(cache=True)(_probe)
    # "no locator available": neither the package nor the home folder is writable
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / f"hgm-numba-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if (
            not stat.S_ISDIR(status.st_mode)
            or status.st_uid != os.getuid()
            or stat.S_IMODE(status.st_mode) & 0o077
        ):
            # never load code that someone else may have put there
            folder = Path(tempfile.mkdtemp(prefix="hgm-numba-"))
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        numba.config.reload_config()


ensure_cache()
compiled = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
# where NaN and infinity have to be seen
careful = numba.njit(nogil=True, cache=True, error_model="numpy")
inlined = numba.njit(inline="always")

f32 = np.float32
BLUR = f32(constants.BLUR)
MARGIN = f32(constants.MARGIN)
ALPHA_MAX = f32(constants.ALPHA_MAX)
ALPHA_MIN = f32(constants.ALPHA_MIN)
T_MIN = f32(constants.T_MIN)
LARGEST = f32(constants.LARGEST)
SHORTEST = f32(constants.SHORTEST)
SLACK = f32(constants.SLACK)

WIDE = 8
TALL = 16  # pixels of a tile
SPLAT = 10  # numbers of a splat: mean x y, conic xx xy yy, opacity, r g b, depth
HIT = 10  # gradients of a (splat, tile) pair, in the same order
PARAMETERS = 14  # gradients of a Gaussian: mean 3, quaternion 4, scale 3, opacity, color 3
CAMERA = 16  # gradients of a camera: upper three rows of world_to_camera, fx, cx, fy, cy
BLOCK = 256  # Gaussians whose part of a camera's gradient is summed by one thread
