"""Folding: a trained StyleUNet with the style in its weights.

The style is the same for every picture, so what modulates and demodulates the convolutions is
constant once the training has ended, as are the factors of the equalized learning rate.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from hgm.systems.animatable.nets.layers import Convolution
from hgm.systems.animatable.nets.styleunet import StyleUNet


class FoldedConvolution(Convolution):
    """A convolution with the weights that another one has for a style."""

    weight: Tensor
    bias: Tensor

    def __init__(self, other: Convolution, style: Tensor) -> None:
        weight, bias, strength = other.kernel(style)
        noise = None if other.noise is None or strength is None else strength * other.noise
        super().__init__(down=other.down, up=other.up, activated=other.activated, noise=noise)
        self.register_buffer("weight", weight.clone())
        self.register_buffer("bias", bias.clone())

    def kernel(self, style: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        return self.weight, self.bias, None


class NoStyle(nn.Module):
    """In the place of the mapping to a style."""

    def forward(self) -> None:
        return None


@torch.no_grad()
def fold(network: StyleUNet) -> StyleUNet:
    """The same network, frozen, with plain convolutions; the given one stays as it is."""
    style = network.mapping()
    folded = copy.deepcopy(network).requires_grad_(False).eval()
    convolutions = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, Convolution)
    ]
    for name, module in convolutions:
        place, _, last = name.rpartition(".")
        setattr(folded.get_submodule(place), last, FoldedConvolution(module, style))
    folded.mapping = NoStyle()
    return folded
