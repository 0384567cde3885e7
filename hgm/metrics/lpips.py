"""LPIPS (Zhang et al. 2018, version 0.1) with a VGG-16 trunk, as a metric and as a loss, from
weight files on disk."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hgm.metrics.weights import read_weights, take

# Output channels of the convolutions of each stage; a stage but the first begins with a max pool.
# Features are the ReLU outputs relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# ImageNet statistics for inputs in [-1, 1]
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
# under the root of the feature norm: keeps the gradient finite where all features are zero
EPSILON = 1e-8


class VGG16(nn.Module):
    """The convolutional trunk of VGG-16 under torchvision's parameter names (`features.0.weight` …
    `features.28.bias`).
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        channels = 3
        for i, stage in enumerate(STAGES):
            if i:
                layers.append(nn.MaxPool2d(2))
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.taps.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalized images [N, 3, H, W] -> five feature maps [N, C, H / 2^i, W / 2^i]."""
        found = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taps:
                found.append(x)
        return found


class LPIPS(nn.Module):
    """Perceptual distance. `shift` and `scale` are the published input statistics; no parameter is
    ever trained.

    As a loss: `target = lpips.features(gt)` once, then `lpips(prediction, target)` for each set of
    renders.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, resize: int | None = None) -> None:
        """resize: images are brought to this square size (plain bilinear, as in LGM's training
        loss) before the trunk.
        """
        super().__init__()
        self.trunk = VGG16()
        self.heads = nn.ParameterList(
            nn.Parameter(torch.zeros(1, stage[-1], 1, 1)) for stage in STAGES
        )
        self.resize = resize
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> LPIPS:
        """Always in evaluation mode."""
        return super().train(False)

    def features(self, images: Tensor, *, signed: bool = True) -> list[Tensor]:
        """Unit-length features of images [N, 3, H, W] in [0, 1]: five maps [N, C_i, h_i, w_i].

        signed: True maps [0, 1] to the [-1, 1] that the statistics are made for (the standard);
        False feeds [0, 1] as it is, as the released evaluation does.
        """
        if self.resize is not None and tuple(images.shape[-2:]) != (self.resize, self.resize):
            images = F.interpolate(
                images, (self.resize, self.resize), mode="bilinear", align_corners=False
            )
        x = images * 2 - 1 if signed else images
        maps = self.trunk((x - self.shift) / self.scale)
        return [m * torch.rsqrt(m.square().sum(1, keepdim=True) + EPSILON) for m in maps]

    def forward(
        self, prediction: Tensor, target: Tensor | list[Tensor], *, signed: bool = True
    ) -> Tensor:
        """Distance of each image [N, 3, H, W] in [0, 1] to the target (images, or their `features`)
        -> [N]."""
        found = self.features(prediction, signed=signed)
        wanted = self.features(target, signed=signed) if isinstance(target, Tensor) else target
        stages = zip(found, wanted, self.heads, strict=True)
        return torch.stack(
            [((p - t).square() * head).sum(1).mean((1, 2)) for p, t, head in stages]
        ).sum(0)


class PerceptualLoss:
    """Mean LPIPS of renders [M, 3, H, W] against targets [M, 3, H, W], both in [0, 1], as a scalar
    with gradients.

    The features of the last target are kept: HGM compares three sets of renders with one set of
    targets, and the trunk on the targets would otherwise be half of the cost.
    What the trunk makes of the renders is not kept for the backward pass but computed again there,
    one call's renders at a time: at 256 px it is 0.21 GiB an image.
    """

    def __init__(self, lpips: LPIPS) -> None:
        self.lpips = lpips
        self._target: Tensor | None = None
        self._version = 0
        self._features: list[Tensor] = []

    def _same(self, target: Tensor) -> bool:
        # the kept tensor holds its memory, so an equal address means the same data unless it was
        # written to since
        kept = self._target
        return (
            kept is not None
            and kept.data_ptr() == target.data_ptr()
            and kept.shape == target.shape
            and kept.stride() == target.stride()
            and target._version == self._version
        )

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        if not self._same(target):
            with torch.no_grad():
                self._features = self.lpips.features(target)
            self._target = target.detach()
            self._version = target._version
        # nothing in the trunk is random
        found: Tensor = checkpoint(
            self.lpips, prediction, self._features, use_reentrant=False, preserve_rng_state=False
        )
        return found.mean()


def load_lpips(
    vgg: str | Path | None,
    heads: str | Path | None,
    *,
    resize: int | None = None,
    vgg_sha256: str | None = None,
    heads_sha256: str | None = None,
) -> LPIPS | None:
    """LPIPS from torchvision's VGG-16 file (`vgg16-397923af.pth`) and the published heads
    (`lpips/weights/v0.1/vgg.pth`), as `.pth` or `.safetensors`; None when either path is None.
    Raises InputError on an unusable file.
    """
    if vgg is None or heads is None:
        return None
    model = LPIPS(resize)
    trunk = read_weights(vgg, "weights.vgg16", vgg_sha256)
    model.trunk.load_state_dict(take(trunk, model.trunk.state_dict(), "weights.vgg16"))
    wanted = {f"lin{i}.model.1.weight": head.data for i, head in enumerate(model.heads)}
    found = take(read_weights(heads, "weights.lpips", heads_sha256), wanted, "weights.lpips")
    for head, name in zip(model.heads, wanted, strict=True):
        head.data.copy_(found[name])
    return model
