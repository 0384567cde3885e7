"""What an avatar is trained by: pictures that agree, and a deformer that stays near the head
model."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.metrics.images import ssim_map
from hgm.metrics.lpips import SCALE, SHIFT, VGG16
from hgm.metrics.weights import read_weights, take
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import Directions

VGG_SIZE = 224
VGG_BLOCKS = 4
# of the loss towards the head model (release): weights of its parts, and what directions are
# multiplied with so that they are of the size of skinning weights
SKINNING = 0.1
DIRECTIONS = 10.0
ENLARGED = 10.0


class VGGLoss(nn.Module):
    """Mean difference of the features of VGG-16's first four blocks, pictures at 224 pixels."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = VGG16()
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, vgg16: str | Path | None) -> VGGLoss | None:
        """With torchvision's weights; None without a path."""
        if vgg16 is None:
            return None
        loss = cls()
        weights = read_weights(vgg16, "weights.vgg16")
        loss.trunk.load_state_dict(take(weights, loss.trunk.state_dict(), "weights.vgg16"))
        return loss

    def features(self, images: Tensor) -> list[Tensor]:
        """Four maps of images [N, 3, H, W] in 0-1."""
        size = (VGG_SIZE, VGG_SIZE)
        images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        maps: list[Tensor] = self.trunk((images * 2 - 1 - self.shift) / self.scale)
        return maps[:VGG_BLOCKS]

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(target)
        found = self.features(prediction)
        return torch.stack([(f - w).abs().mean() for f, w in zip(found, wanted, strict=True)]).sum()


def picture_loss(
    prediction: Tensor, target: Tensor, settings: Avatar, vgg: VGGLoss | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """L1, SSIM and, with its weights, VGG of pictures [B, 3, H, W] in 0-1; and the parts to log."""
    parts = {
        "l1": (prediction - target).abs().mean(),
        "ssim": 1 - ssim_map(prediction, target).mean(),
    }
    total = parts["l1"] + settings.ssim * parts["ssim"]
    if vgg is not None and settings.vgg > 0:
        parts["vgg"] = vgg(prediction, target)
        total = total + settings.vgg * parts["vgg"]
    return total, parts


def head_loss(learned: Directions, wanted: Directions, variance: Tensor) -> Tensor:
    """How far the points' motion [N] is from that of their nearest vertices.

    An expression's part is divided by the variance [50] of its coefficient in the training clips:
    what moves much is seen in the pictures and may be learned from them.
    """
    skinning = F.mse_loss(learned.weights, wanted.weights)
    poses = F.mse_loss(learned.pose_shapes, wanted.pose_shapes)
    squares = F.mse_loss(learned.expressions, wanted.expressions, reduction="none").mean((0, 2))
    expressions = (squares / variance).mean() / len(variance)
    return SKINNING * skinning + DIRECTIONS * ENLARGED**2 * (poses + expressions)
