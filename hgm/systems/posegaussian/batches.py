"""Rectified pairs as tensors: what the network reads, and how disparity and depth go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.systems.posegaussian.pair import RectifiedPair

FARTHEST = 0.05  # 1/m: less inverse depth than this is no person


@dataclass(frozen=True)
class StereoBatch:
    """B pairs as 2B views: all left ones, then all right ones."""

    images: Tensor  # [2B, 3, S, S] in 0-1, over black
    masks: Tensor  # [2B, 1, S, S] in 0-1
    cameras: Cameras  # [2B], rectified, meters
    shifts: Tensor  # [2B]: `RectifiedPair.shifts`
    offsets: Tensor  # [2B]: principal point of the other view less that of this one, pixels
    heat: Tensor | None = None  # [2B, C, S, S] in 0-1
    flow: Tensor | None = None  # [2B, 1, S, S], pixels
    valid: Tensor | None = None  # [2B, 1, S, S] bool

    @classmethod
    def of(cls, pairs: Sequence[RectifiedPair], device: torch.device | str = "cpu") -> StereoBatch:
        """Pairs of one size, of which all or none have heat maps, and all or none a known flow."""
        cx = np.stack([pair.K[:, 0, 2] for pair in pairs])  # [B, 2]

        def views(name: str) -> Tensor:
            """An array of all pairs [B, 2, ...] -> [2B, ...]."""
            stacked = np.stack([getattr(pair, name) for pair in pairs])
            return _views(stacked).to(device)

        known = pairs[0].flow is not None
        return cls(
            views("images").movedim(-1, 1).float() / 255,
            views("masks")[:, None].float() / 255,
            Cameras(
                views("K").float(), views("world_to_camera").float(), pairs[0].size, pairs[0].size
            ),
            views("shifts").float(),
            _views(cx[:, ::-1] - cx).float().to(device),
            views("heat").movedim(-1, 1).float() / 255 if pairs[0].heat is not None else None,
            views("flow")[:, None].float() if known else None,
            views("valid")[:, None] if known else None,
        )

    def inverse_depth(self, flow: Tensor) -> Tensor:
        """Flow [2B, 1, S, S] in pixels -> inverse depth in 1/m, 0 outside the person (spec 3:
        q = (flow - offset) / shift)."""
        q = (flow - self.offsets[:, None, None, None]) / self.shifts[:, None, None, None]
        return torch.where(self.masks > 0.5, q, 0.0)

    def flow_of(self, inverse_depth: Tensor) -> Tensor:
        """The inverse of `inverse_depth` where there is a person, 0 elsewhere."""
        flow = self.offsets[:, None, None, None] + inverse_depth * self.shifts[:, None, None, None]
        return torch.where(inverse_depth > FARTHEST, flow, 0.0)


def _views(values: np.ndarray) -> Tensor:
    """[B, 2, ...] -> [2B, ...], lefts first."""
    return torch.from_numpy(np.ascontiguousarray(values.swapaxes(0, 1))).flatten(0, 1)
