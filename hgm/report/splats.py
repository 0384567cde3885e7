"""Gaussians packed into a script that the page's viewer loads: browsers forbid a page on disk to fetch other files."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import numpy as np
import torch

from hgm.gaussians import Gaussians

LIMIT = 60_000  # Gaussians that the viewer sorts smoothly on a phone
LOG_SCALE = (-10.0, 0.0)  # range of the natural logarithm of a scale in 8 bits: 4 % a step
BYTES = 17  # 3 x 16-bit position, 3 scales, 4 quaternion parts, 3 colours, 1 opacity


@dataclass(frozen=True)
class Packed:
    """count of total Gaussians are in data, the most visible ones."""

    data: bytes
    count: int
    total: int

    def script(self, key: str) -> str:
        """JavaScript that hands the data to the viewer under `key`."""
        text = base64.b64encode(self.data).decode("ascii")
        return f"(window.hgmSplats=window.hgmSplats||{{}})[{json.dumps(key)}]={{count:{self.count},data:\"{text}\"}};\n"


def pack(gaussians: Gaussians, limit: int = LIMIT) -> Packed:
    """Quantise unbatched Gaussians to 17 bytes each: positions to 3e-5 of [-1, 1], scales to 4 %, the rest to 8 bits.

    Beyond `limit` the largest products of opacity and area are kept.
    """
    g = gaussians.detach().to("cpu", torch.float32)
    means, scales, quats = g.means.numpy(), g.scales.numpy(), g.quats.numpy()
    opacities, colors = g.opacities.numpy(), g.colors.numpy()
    total = len(means)
    keep = np.flatnonzero(opacities >= 1 / 255)
    if len(keep) > limit:
        two_largest = np.sort(scales[keep], axis=1)[:, 1:].prod(1)
        keep = np.sort(keep[np.argsort(-opacities[keep] * two_largest, kind="stable")[:limit]])
    low, high = LOG_SCALE
    position = np.rint((np.clip(means[keep], -1, 1) + 1) / 2 * 65535).astype("<u2")
    size = np.rint((np.clip(np.log(np.maximum(scales[keep], 1e-12)), low, high) - low) / (high - low) * 255).astype(np.uint8)
    turn = np.rint(quats[keep] / np.maximum(np.linalg.norm(quats[keep], axis=1, keepdims=True), 1e-12) * 127).astype(np.int8)
    paint = np.rint(np.clip(colors[keep], 0, 1) * 255).astype(np.uint8)
    cover = np.rint(np.clip(opacities[keep], 0, 1) * 255).astype(np.uint8)
    columns = [position.view(np.uint8).reshape(-1, 6), size, turn.view(np.uint8), paint, cover[:, None]]
    return Packed(np.concatenate(columns, 1).tobytes(), len(keep), total)
