"""The detail head: what the U-Net says of a place, and the picture's own pixels there, become the
Gaussians of a pixel.

The U-Net of the small presets ends at half of the picture's resolution, since its last level would
cost as much as all others. A perceptron on the person's pixels alone costs next to nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.gaussians import CHANNELS
from hgm.systems.hgm.networks.surfaces import PersonPixels

PATCH = 3  # side of the patch of the picture around a pixel


class DetailHead(nn.Module):
    """Maps of the U-Net and pictures -> raw Gaussians of each surface of each pixel."""

    def __init__(self, features: int, inputs: int, hidden: int, surfaces: int) -> None:
        super().__init__()
        self.surfaces = surfaces
        self.hidden = nn.Sequential(
            nn.Linear(features + inputs * PATCH**2, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
        )
        self.out = nn.Linear(hidden, surfaces * CHANNELS)

    def forward(self, features: Tensor, pictures: Tensor, pixels: PersonPixels) -> Tensor:
        """features [B, M, C] of pixels [B, M], pictures [B, V, C', H, W] -> raw Gaussians [B,
        surfaces*M, 14], surface after surface."""
        patches = F.unfold(pictures.flatten(0, 1), PATCH, padding=PATCH // 2)
        patches = patches.unflatten(-1, pictures.shape[-2:]).unflatten(0, pictures.shape[:2])
        found = self.out(self.hidden(torch.cat([features, pixels.take(patches)], -1)))
        return found.unflatten(-1, (self.surfaces, CHANNELS)).transpose(1, 2).flatten(1, 2)
