"""Niantic's `.spz`, version 2: a gzip stream of fixed-point columns, about a sixth of the `.ply`.

Layout (nianticlabs/spz, README and load-spz.cc; the header is little endian):

    uint32 magic "NGSP", uint32 version, uint32 N, uint8 degree of harmonics, uint8 fractional bits
    F, uint8 flags, uint8 0 positions  N x 3 x 24-bit signed integers, in steps of 2^-F alphas     N
    x 1 byte, opacity * 255 colors    N x 3 bytes, (0.15 f_dc + 0.5) * 255 scales     N x 3 bytes,
    (ln scale + 10) * 16 rotations  N x 3 bytes, (x, y, z) * 127.5 + 127.5 of the unit quaternion
    with w >= 0

The frame of the format is right, up, back: ours (x right seen from the front, y up, z towards the
front view), unchanged.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.export.quantized import from_steps, gaussians_of, read_bytes, to_steps, visible
from hgm.gaussians import SH_C0, Gaussians

MAGIC = 0x5053474E
VERSION = 2
HEADER = struct.Struct("<IIIBBBB")
FRACTION = 12  # bits: steps of 1/4096 unit, a third of a millimeter of the person
COLOR_SCALE = 0.15  # of f_dc
BYTES = 9 + 1 + 3 + 3 + 3  # of one Gaussian without harmonics
HARMONICS = {0: 0, 1: 9, 2: 24, 3: 45}  # bytes of each degree
MOST = 10_000_000  # Gaussians, as in load-spz.cc
LIMIT = 2 ** (23 - FRACTION)  # units: what 24 bits hold


def write_spz(gaussians: Gaussians, path: str | Path) -> None:
    """Write unbatched Gaussians. Raises InputError for a position that 24 bits do not hold."""
    g = visible(gaussians)
    fixed = np.rint(g.means.numpy().astype(np.float64) * 2**FRACTION)
    if len(g) and np.abs(fixed).max() >= 2**23:
        raise InputError(
            f"{path}: a Gaussian lies {g.means.abs().max():.0f} units out; .spz holds less than "
            f"{LIMIT}, use --format ply"
        )
    dc = (g.colors.numpy().astype(np.float64) - 0.5) / SH_C0
    columns = (
        fixed.astype("<i4").view(np.uint8).reshape(-1, 3, 4)[..., :3],
        to_steps(g.opacities.numpy(), 8),
        to_steps(COLOR_SCALE * dc + 0.5, 8),
        to_steps((np.log(g.scales.numpy().astype(np.float64).clip(1e-8)) + 10) * 16 / 255, 8),
        to_steps((_with_large_w(g.quats.numpy())[:, 1:] + 1) / 2, 8),
    )
    header = HEADER.pack(MAGIC, VERSION, len(g), 0, FRACTION, 0, 0)
    content = header + b"".join(np.ascontiguousarray(x, np.uint8).tobytes() for x in columns)
    with atomic_write(path) as file:
        file.write(gzip.compress(content, 9, mtime=0))


def read_spz(path: str | Path) -> Gaussians:
    """Read version 2; harmonics above the constant one are left aside. Raises InputError for
    anything else."""
    packed = read_bytes(path)
    if packed[:4] == b"NGSP":
        raise InputError(
            f"{path}: .spz of version 4 or later; version 2 is read, save it again as that or as "
            ".ply"
        )
    try:
        with gzip.open(path) as stream:
            data = stream.read(HEADER.size)
            magic, version, count, degree, fraction, _, _ = HEADER.unpack(data)
            size = HEADER.size + count * (BYTES + HARMONICS.get(degree, 0))
            if magic == MAGIC and count <= MOST:  # not a byte more than there should be
                data += stream.read(size - HEADER.size)
                stream.read(1)  # the end, with the check sum
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise InputError(f"{path}: not an .spz file ({error})") from None
    if magic != MAGIC:
        raise InputError(f"{path}: not an .spz file (no NGSP in front)")
    if version != VERSION:
        raise InputError(
            f"{path}: .spz of version {version}; version 2 is read, save it again as that or as "
            ".ply"
        )
    if count > MOST:
        raise InputError(f"{path}: says that it holds {count} Gaussians; up to {MOST} are read")
    if degree not in HARMONICS or len(data) < size:
        raise InputError(
            f"{path}: broken .spz: {count} Gaussians of degree {degree} need {size} bytes, it has "
            f"{len(data)}"
        )
    at = HEADER.size

    def column(width: int) -> np.ndarray:
        nonlocal at
        at += count * width
        return np.frombuffer(data, np.uint8, count * width, at - count * width).reshape(
            count, width
        )

    wide = np.zeros((count, 3, 4), np.uint8)
    # the number in the upper 24 bits keeps its sign when shifted down
    wide[..., 1:] = column(9).reshape(count, 3, 3)
    means = (wide.view("<i4")[..., 0] >> 8) / 2.0**fraction
    opacities = from_steps(column(1)[:, 0], 8)
    dc = (from_steps(column(3), 8) - 0.5) / COLOR_SCALE
    scales = np.exp(column(3) / 16.0 - 10)
    xyz = from_steps(column(3), 8) * 2 - 1
    w = np.sqrt(np.maximum(0, 1 - (xyz**2).sum(-1, keepdims=True)))
    return gaussians_of(means, opacities, scales, np.concatenate([w, xyz], -1), dc * SH_C0 + 0.5)


def _with_large_w(quats: np.ndarray) -> np.ndarray:
    """Quaternions [N, 4] of the same ellipsoids with w >= 0.5, where w = sqrt(1 - x^2 - y^2 - z^2)
    is precise.

    Half a turn around one of its own axes leaves an ellipsoid as it is; one of q, qi, qj, qk has
    the largest number as w.
    """
    w, x, y, z = quats.T
    same = np.stack(
        [
            quats,
            np.stack([-x, w, z, -y], -1),
            np.stack([-y, -z, w, x], -1),
            np.stack([-z, y, -x, w], -1),
        ],
        1,
    )
    best = same[np.arange(len(quats)), np.abs(same[..., 0]).argmax(1)]
    return best * np.where(best[:, :1] < 0, -1, 1)
