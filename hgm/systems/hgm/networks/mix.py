"""The 1-D merge network over a sequence of Gaussians (Tr_mix of the paper, section 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hgm.nets.unet import UNet
from hgm.nets.widths import UNetWidths


class MixNet(UNet):
    """Features [B, Cin, N] of N Gaussians in sequence order -> raw Gaussians [B, 14, N]. Any N: the
    sequence is padded with zeros."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: UNetWidths,
        *,
        legacy: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__(1, inputs, outputs, widths, legacy=legacy, checkpointing=checkpointing)

    def forward(self, x: Tensor, views: int = 1) -> Tensor:  # type: ignore[override]
        n = x.shape[-1]
        out, _ = super().forward(F.pad(x, (0, -n % self.widths.reduction)), views)
        return out[..., :n]
