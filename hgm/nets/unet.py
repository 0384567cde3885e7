"""The asymmetric U-Net of LGM as HGM uses it (paper section 3.1), over images or over sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hgm.nets.blocks import DownBlock, MidBlock, UpBlock, convolution
from hgm.nets.widths import UNetWidths


class UNet(nn.Module):
    """x [B*V, Cin, *size] -> output [B*V, Cout, *size/r] and the features [B*V, C, *size/r] before
    the output norm.

    `dims` is 1 or 2, r = `widths.output_reduction`; every length must be a multiple of
    `widths.reduction`. `spare_layers` adds the two layers that the released network declares and
    never runs.
    """

    def __init__(
        self,
        dims: int,
        inputs: int,
        outputs: int,
        widths: UNetWidths,
        *,
        legacy: bool = False,
        spare_layers: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.widths = widths
        self.checkpointing = checkpointing
        down = widths.down
        up = widths.up
        self.conv_in = convolution(dims, inputs, down[0])
        self.down_blocks = nn.ModuleList(
            DownBlock(
                dims,
                down[max(i - 1, 0)],
                down[i],
                widths.down_attention[i],
                i + 1 < len(down),
                widths,
                legacy,
            )
            for i in range(len(down))
        )
        self.mid_block = MidBlock(dims, down[-1], widths.mid_attention, widths, legacy)
        self.up_blocks = nn.ModuleList(
            UpBlock(
                dims,
                down[-1] if i == 0 else up[i - 1],
                down[-1 - i],
                down[max(len(down) - 2 - i, 0)],
                up[i],
                widths.up_attention[i],
                i + 1 < len(up),
                widths,
                legacy,
            )
            for i in range(len(up))
        )
        self.norm_out = nn.GroupNorm(widths.groups, up[-1], eps=1e-5)
        self.conv_out = convolution(dims, up[-1], outputs)
        if spare_layers:
            self.norm_out_2 = nn.GroupNorm(widths.groups, 2 * up[-1], eps=1e-5)
            self.conv_out_2 = convolution(1, 2 * up[-1], outputs)

    def forward(self, x: Tensor, views: int = 1) -> tuple[Tensor, Tensor]:
        x = self.conv_in(x)
        skips = [x]
        for down in self.down_blocks:
            x, new = self._run(down, x, views)
            skips += new
        x = self._run(self.mid_block, x, views)
        for up in self.up_blocks:
            layers = self.widths.layers + 1
            taken = skips[-layers:]
            skips = skips[:-layers]
            x = self._run(up, x, taken, views)
        return self.conv_out(F.silu(self.norm_out(x))), x

    def _run(self, block: Callable[..., Any], *args: Any) -> Any:
        if self.checkpointing and self.training:
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)
