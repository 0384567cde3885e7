"""The three StyleUNets of an avatar: of its Gaussians' places, of their looks and of their colors,
the last one with the network of the viewing direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hgm.systems.animatable.nets.fold import fold
from hgm.systems.animatable.nets.levels import Levels
from hgm.systems.animatable.nets.styleunet import SIDES, StyleUNet
from hgm.systems.animatable.nets.view_net import ViewNet

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
OTHER = (1, 3, 4)  # channels of opacity, scale and rotation


class AttributeNets(nn.Module):
    """A map of the posed body [B, 3, S, S] -> raw maps of its front and back, float32.
    Convolutions run in a precision of PRECISIONS."""

    def __init__(self, size: int, top: int, cap: int, style: int, precision: str = "fp32") -> None:
        super().__init__()
        shape = {"size": size, "top": top, "cap": cap, "style": style}
        self.position = StyleUNet(outputs=3, **shape)
        self.other = StyleUNet(outputs=sum(OTHER), **shape)
        self.color = StyleUNet(outputs=3, **shape)
        self.view = ViewNet(Levels(size, top, cap))
        self.dtype = PRECISIONS[precision]

    def positions(self, pose_map: Tensor) -> Tensor:
        """[B, 2, 3, 2 S, 2 S]."""
        with self._reduced(pose_map):
            maps = self.position(pose_map)
        return maps.float()

    def others(self, pose_map: Tensor) -> Tensor:
        """[B, 2, 8, 2 S, 2 S]: opacity, scale, rotation."""
        with self._reduced(pose_map):
            maps = self.other(pose_map)
        return maps.float()

    def colors(self, pose_map: Tensor, cosines: Tensor) -> Tensor:
        """[B, 2, 3, 2 S, 2 S], as seen under the cosines [B, 2, S, S] between normals and viewing
        directions."""
        with self._reduced(pose_map):
            view = [self.view(cosines[:, side : side + 1]) for side in range(SIDES)]
            maps = self.color(pose_map, view)
        return maps.float()

    def _reduced(self, like: Tensor) -> torch.autocast:
        enabled = self.dtype != torch.float32
        return torch.autocast(like.device.type, self.dtype, enabled=enabled)

    def fold(self) -> None:
        """Put plain convolutions in the place of all others (`nets.fold`): for an avatar that is
        trained no more."""
        for name in ("position", "other", "color"):
            setattr(self, name, fold(getattr(self, name)))
