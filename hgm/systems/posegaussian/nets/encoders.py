"""The encoder of pictures, of heat maps and of inverse depth."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from hgm.systems.posegaussian.nets.blocks import Residual

STEM_GROUP = 4  # channels that are normalized together after the first convolution


class Encoder(nn.Module):
    """x [B, C, H, W] -> features [B, width, H / 2^k, W / 2^k] for k = 1, 2, …, finest first."""

    def __init__(self, inputs: int, stem: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, stem, 5, 2, 2), nn.GroupNorm(stem // STEM_GROUP, stem), nn.ReLU()
        )
        before = (stem, *widths)
        self.levels = nn.ModuleList(
            nn.Sequential(Residual(before[k], width, 2 if k else 1), Residual(width, width))
            for k, width in enumerate(widths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features
