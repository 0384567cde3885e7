"""PlayCanvas's compressed `.ply`: 16 bytes a Gaussian, 256 to a chunk that holds the bounds of its
numbers.

Layout (PlayCanvas user manual; playcanvas/splat-transform): element `chunk` with the least and
greatest position, ln scale and color as 18 floats; element `vertex` with four uint32, the first
number in the highest bits:

    position  11, 10, 11 bits within the chunk's bounds     scale  the same, of ln scale rotation  2
    bits: which of w, x, y, z is largest, 3 x 10 bits: the others, q / sqrt(2) + 0.5, the largest
    positive color    8 bits each: red, green, blue within the chunk's bounds, opacity
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgm.core.files import atomic_write
from hgm.errors import InputError
from hgm.export.quantized import from_steps, gaussians_of, read_bytes, to_steps, visible
from hgm.gaussians import Gaussians

CHUNK = 256
AXES = ("x", "y", "z")
COLORS = ("r", "g", "b")
BOUNDS = [
    *(f"{end}_{a}" for end in ("min", "max") for a in AXES),
    *(f"{end}_scale_{a}" for end in ("min", "max") for a in AXES),
    *(f"{end}_{c}" for end in ("min", "max") for c in COLORS),
]
WORDS = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
BITS = (11, 10, 11)


def write_compressed_ply(gaussians: Gaussians, path: str | Path) -> None:
    """Write unbatched Gaussians, neighbors in space beside each other (Morton order)."""
    g = visible(gaussians)
    g = g[np.argsort(_morton(g.means.numpy()), kind="stable")]
    count = len(g)
    chunks = -(-len(g) // CHUNK)
    bounds = np.zeros((chunks, len(BOUNDS)), "<f4")
    words = np.zeros((count, len(WORDS)), "<u4")
    for i in range(chunks):
        part = g[i * CHUNK : (i + 1) * CHUNK]
        of = slice(i * CHUNK, (i + 1) * CHUNK)
        for j, values in enumerate(
            (part.means.numpy(), np.log(part.scales.numpy().clip(1e-8)), part.colors.numpy())
        ):
            low = values.min(0)
            high = values.max(0)
            bounds[i, 6 * j : 6 * j + 6] = [*low, *high]
            inside = (values - low) / np.where(high > low, high - low, 1)
            if j == 2:
                words[of, 3] = _join(np.c_[inside, part.opacities.numpy()], (8, 8, 8, 8))
            else:
                words[of, 2 * j] = _join(inside, BITS)
    words[:, 1] = _pack_quats(g.quats.numpy())
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"element chunk {chunks}",
            *(f"property float {name}" for name in BOUNDS),
            f"element vertex {count}",
            *(f"property uint {name}" for name in WORDS),
            "end_header",
            "",
        ]
    )
    with atomic_write(path) as file:
        file.write(header.encode("ascii") + bounds.tobytes() + words.tobytes())


def is_compressed(path: str | Path) -> bool:
    """Whether the header names packed numbers."""
    return b"packed_position" in read_bytes(path)[:4096].split(b"end_header")[0]


def read_compressed_ply(path: str | Path) -> Gaussians:
    """Read a file with the 18 bounds; harmonics after the vertices are left aside. Raises
    InputError for any other file."""
    data = read_bytes(path)
    end = data.find(b"end_header\n") + len(b"end_header\n")
    lines = data[:end].decode("ascii", "replace").split("\n")
    counts = {
        x.split()[1]: int(x.split()[2])
        for x in lines
        if x.startswith("element ") and x.split()[-1].isdigit()
    }
    names = [x.split()[-1] for x in lines if x.startswith("property ")]
    chunks = counts.get("chunk", -1)
    count = counts.get("vertex", -1)
    size = end + chunks * 4 * len(BOUNDS) + count * 4 * len(WORDS)
    if names[:22] != [*BOUNDS, *WORDS] or chunks != -(-count // CHUNK) or len(data) < size:
        raise InputError(
            f"{path}: not a whole compressed .ply with bounds of positions, scales and colors; "
            "save it again as .ply"
        )
    bounds = np.frombuffer(data, "<f4", chunks * len(BOUNDS), end).reshape(chunks, len(BOUNDS))
    words = np.frombuffer(data, "<u4", count * len(WORDS), end + bounds.nbytes).reshape(
        count, len(WORDS)
    )
    of = np.arange(count) // CHUNK

    def within(inside: np.ndarray, j: int) -> np.ndarray:
        low = bounds[of, 6 * j : 6 * j + 3]
        high = bounds[of, 6 * j + 3 : 6 * j + 6]
        return low + (high - low) * inside

    rgba = _split(words[:, 3], (8, 8, 8, 8))
    return gaussians_of(
        within(_split(words[:, 0], BITS), 0),
        rgba[:, 3],
        np.exp(within(_split(words[:, 2], BITS), 1)),
        _unpack_quats(words[:, 1]),
        within(rgba[:, :3], 2),
    )


def _join(x: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """[N, k] in [0, 1] -> uint32 [N], the first in the highest bits."""
    word = np.zeros(len(x), np.uint32)
    for column, width in zip(x.T, bits, strict=True):
        word = (word << np.uint32(width)) | to_steps(column, width)
    return word


def _split(word: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """The inverse of `_join`."""
    shifts = np.cumsum((0, *bits[:0:-1]))[::-1]
    return np.stack(
        [
            from_steps(word >> np.uint32(shift), width)
            for shift, width in zip(shifts, bits, strict=True)
        ],
        -1,
    )


def _pack_quats(quats: np.ndarray) -> np.ndarray:
    rows = np.arange(len(quats))
    largest = np.abs(quats).argmax(-1)
    positive = quats * np.where(quats[rows, largest] < 0, -1, 1)[:, None]
    others = positive[np.arange(4) != largest[:, None]].reshape(-1, 3)
    return (largest.astype(np.uint32) << np.uint32(30)) | _join(
        others * np.sqrt(0.5) + 0.5, (10, 10, 10)
    )


def _unpack_quats(word: np.ndarray) -> np.ndarray:
    others = (_split(word & np.uint32(2**30 - 1), (10, 10, 10)) - 0.5) * np.sqrt(2)
    largest = (word >> np.uint32(30)).astype(np.int64)
    quats = np.empty((len(word), 4), np.float32)
    quats[np.arange(4) != largest[:, None]] = others.reshape(-1)
    quats[np.arange(len(word)), largest] = np.sqrt(np.maximum(0, 1 - (others**2).sum(-1)))
    return quats


def _morton(means: np.ndarray) -> np.ndarray:
    """Keys [N] that run along a Z-order curve with 1024 steps an axis."""
    low = means.min(0, initial=np.inf)
    high = means.max(0, initial=-np.inf)
    steps = to_steps((means - low) / np.where(high > low, high - low, 1), 10).astype(np.uint64)
    keys = np.zeros(len(means), np.uint64)
    for bit in range(10):
        for axis in range(3):
            keys |= ((steps[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return keys
