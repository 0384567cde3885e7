"""Arrays of the stand-ins as their small files keep them: lengths in whole micrometers, one of two
sides that are mirror images, integers as differences. Nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hgm.standin.body.skeleton import EYE_FACES

MICROMETRES = 1e6  # steps per meter; lengths are kept to this grid, exactly


def half_of(mirror: np.ndarray) -> np.ndarray:
    """The vertices whose data are stored: of every mirrored pair the first, and the midline."""
    return np.flatnonzero(mirror >= np.arange(len(mirror)))


def both_sides(values: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Values [H, 3, ...] of the stored half -> [V, 3, ...], x mirrored."""
    half = half_of(mirror)
    full = np.empty((len(mirror), *values.shape[1:]), values.dtype)
    full[mirror[half]] = values * np.reshape([-1, 1, 1], (3, *[1] * (values.ndim - 2)))
    full[half] = values
    return full


def barycentric(uv: np.ndarray) -> np.ndarray:
    """Barycentric coordinates [..., 3] float64 of float32 (u, v)."""
    return np.concatenate([1 - uv.sum(-1, keepdims=True), uv], -1).astype(np.float64)


def pack(values: np.ndarray) -> np.ndarray:
    """Integers [..., n] -> uint8 [bytes, ..., n] that compress well; `unpack` gives them back
    exactly."""
    steps = np.diff(values.astype(np.int64), axis=-1, prepend=0)
    zigzag = (steps << 1) ^ (steps >> 63)  # small magnitudes of either sign become small numbers
    planes = max(1, (int(zigzag.max(initial=0)).bit_length() + 7) // 8)
    return np.stack([(zigzag >> (8 * i)) & 255 for i in range(planes)]).astype(np.uint8)


def unpack(planes: np.ndarray) -> np.ndarray:
    """The int64 [..., n] of `pack`."""
    zigzag = sum(plane.astype(np.int64) << (8 * i) for i, plane in enumerate(planes))
    return np.cumsum((zigzag >> 1) ^ -(zigzag & 1), axis=-1)


def micrometers(values: np.ndarray) -> np.ndarray:
    """Rounded to six decimals in float32, as float64: a grid that packs without loss."""
    return np.round(values.astype(np.float32), 6).astype(np.float64)


def to_grid(meters: np.ndarray) -> np.ndarray:
    """Lengths in meters -> whole micrometers, int64."""
    return np.rint(np.asarray(meters, np.float64) * MICROMETRES).astype(np.int64)


def from_grid(steps: np.ndarray) -> np.ndarray:
    """Whole micrometers -> float32 meters."""
    return (steps / MICROMETRES).astype(np.float32)


def stored_faces(stored: Mapping[str, np.ndarray], mirror: np.ndarray) -> np.ndarray:
    """Faces [F, 3] uint32: left skin, right skin, left eye, right eye; the left ones are stored."""
    left = unpack(stored["faces"]).T
    other = mirror[left][:, ::-1]
    skin = len(left) - EYE_FACES
    return np.concatenate([left[:skin], other[:skin], left[skin:], other[skin:]]).astype(np.uint32)


def stored_weights(
    stored: Mapping[str, np.ndarray], mirror: np.ndarray, joint_mirror: Sequence[int]
) -> np.ndarray:
    """Skinning weights [V, J] float64 from the sparse ones of the stored half; joint_mirror [J]
    names the joint on the other side."""
    weights = np.zeros((len(mirror), len(joint_mirror)))
    rows = np.repeat(half_of(mirror), stored["weight_count"])
    values = from_grid(unpack(stored["weight_value"]))
    weights[mirror[rows], np.array(joint_mirror)[stored["weight_joint"]]] = values
    weights[rows, stored["weight_joint"]] = values
    return weights


def stored_regressor(stored: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The regressor [J, V] float64 of the joints from its sparse numbers."""
    regressor = np.zeros(shape)
    regressor[stored["regressor_joint"], stored["regressor_vertex"]] = stored["regressor_value"]
    return regressor
