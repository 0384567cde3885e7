"""antimatter15's `.splat`: 32 bytes a Gaussian and no header, the largest first, so that a viewer
can show what has arrived.

Record (antimatter15/splat, README and convert.py; little endian):

    float32 x, y, z   float32 scale x, y, z   uint8 red, green, blue, opacity   uint8 w, x, y, z: q
    * 128 + 128
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.export.quantized import from_steps, gaussians_of, read_bytes, to_steps, visible
from hgm.gaussians import Gaussians

RECORD = np.dtype(
    [("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)]
)


def write_splat(gaussians: Gaussians, path: str | Path) -> None:
    """Write unbatched Gaussians, sorted by volume times opacity."""
    g = visible(gaussians)
    g = g[(-(g.scales.prod(-1) * g.opacities)).argsort(stable=True)]
    records = np.zeros(len(g), RECORD)
    records["position"] = g.means.numpy()
    records["scale"] = g.scales.numpy()
    records["rgba"][:, :3] = to_steps(g.colors.numpy(), 8)
    records["rgba"][:, 3] = to_steps(g.opacities.numpy(), 8)
    records["rotation"] = np.rint(g.quats.numpy() * 128 + 128).clip(0, 255)
    with atomic_write(path) as file:
        file.write(records.tobytes())


def read_splat(path: str | Path) -> Gaussians:
    """Read a `.splat` file. Raises InputError where it is no whole number of records."""
    data = read_bytes(path)
    if not data or len(data) % RECORD.itemsize:
        raise InputError(
            f"{path}: not a .splat file ({len(data)} bytes; expected {RECORD.itemsize} for each "
            "Gaussian)"
        )
    records = np.frombuffer(data, RECORD)
    rgba = from_steps(records["rgba"], 8)
    rotation = (records["rotation"].astype(np.float32) - 128) / 128
    return gaussians_of(records["position"], rgba[:, 3], records["scale"], rotation, rgba[:, :3])
