"""Numbers in a few bits and records in a file: what the compact formats of Gaussians share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hgm.errors import InputError
from hgm.gaussians import Gaussians

# Gaussians under this opacity are left out, as by Gaussians.save_ply: they draw less than one step
# of 8 bits
FAINT = 0.005


def visible(gaussians: Gaussians) -> Gaussians:
    """The unbatched Gaussians that can be seen, float32 on the CPU, with unit quaternions."""
    if gaussians.means.ndim != 2:
        raise ValueError(f"one unbatched set is written, got shape {tuple(gaussians.shape)}")
    g = gaussians.detach().to("cpu", torch.float32)
    g = g[(g.opacities >= FAINT) & torch.isfinite(g.packed()).all(-1)]
    return Gaussians(
        g.means, g.opacities, g.scales, torch.nn.functional.normalize(g.quats, dim=-1), g.colors
    )


def to_steps(x: np.ndarray, bits: int) -> np.ndarray:
    """[0, 1] -> the nearest of 2^bits steps, uint32; numbers outside are clipped."""
    top = 2**bits - 1
    return np.rint(x.astype(np.float64) * top).clip(0, top).astype(np.uint32)


def from_steps(x: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of `to_steps` on the lowest `bits` bits, float32."""
    top = 2**bits - 1
    return ((x & top) / top).astype(np.float32)


def gaussians_of(
    means: np.ndarray,
    opacities: np.ndarray,
    scales: np.ndarray,
    quats: np.ndarray,
    colors: np.ndarray,
) -> Gaussians:
    """Arrays [N, 3], [N], [N, 3], [N, 4] wxyz of any length, [N, 3] -> Gaussians."""
    unit = quats / np.maximum(np.linalg.norm(quats, axis=-1, keepdims=True), 1e-12)
    return Gaussians(
        *(
            torch.from_numpy(np.ascontiguousarray(x, np.float32))
            for x in (means, opacities, scales, unit, colors)
        )
    )


def read_bytes(path: str | Path) -> bytes:
    """The content of a file. Raises InputError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a file of Gaussians"
        ) from None
