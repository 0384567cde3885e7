"""What the U-Net makes of the pictures, and how the merge network's outputs are added to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.gaussians import Gaussians, activate
from hgm.systems.hgm.networks.surfaces import Start


@dataclass(frozen=True)
class ImageBranch:
    """Gaussians of the U-Net alone, and what the merge network gets of them."""

    unet: Gaussians  # [B, N]
    anchors: Tensor  # [B, N, 3]: where the merged Gaussians start, and where they ask the body
    features: list[Tensor]  # [B, N, *]

    def mixed(self, merge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The merge network's outputs [B, N, 14] for x [B, N, C]."""
        return merge(x.mT).mT

    def merged(self, mixed: Tensor) -> Gaussians:
        """The merged set, from the merge network's outputs: positions are moved, all else is
        new."""
        g = activate(mixed)
        return Gaussians(self.unet.means + g.means, g.opacities, g.scales, g.quats, g.colors)


@dataclass(frozen=True)
class SurfaceBranch(ImageBranch):
    """The same for Gaussians on the surfaces of a person."""

    start: Start  # of the merged Gaussians
    raw: Tensor  # [B, N, 14], the U-Net's and the detail head's outputs

    def mixed(self, merge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """One sample after the other: what fills up shorter samples must not reach the others."""
        most = self.start.pixels.index.shape[1]
        rows = []
        for sample, count in zip(x, self.start.pixels.counts, strict=True):
            shown = sample.unflatten(0, (-1, most))[:, :count]  # [surfaces, count, C]
            found = merge(shown.flatten(0, 1).mT[None])[0].mT.unflatten(0, (-1, count))
            rows.append(F.pad(found, (0, 0, 0, most - count)).flatten(0, 1))
        return torch.stack(rows)

    def merged(self, mixed: Tensor) -> Gaussians:
        """The merged set: opacities and colors are the U-Net's, changed."""
        carried = self.raw * self.raw.new_tensor([0.0] * 3 + [1.0] + [0.0] * 7 + [1.0] * 3)
        return self.start.moved(mixed + carried)[0]
