"""The fields of an avatar's appearance: a Gaussian's own look by its canonical place, and how its
displacement changes it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from hgm.systems.monogaussian.deformer import softplus

LAYERS = 7
SKIP = 4  # the layer that sees the encoded position again
UNTURNED = (1.0, 0.0, 0.0, 0.0)  # near which rotations begin, as quaternions


class Look(NamedTuple):
    """Raw numbers of Gaussians, before their activations; looks are added to each other."""

    color: Tensor  # [..., N, 3]
    scale: Tensor  # [..., N, 3]
    rotation: Tensor  # [..., N, 4]
    opacity: Tensor  # [..., N, 1]

    def plus(self, other: Look) -> Look:
        return Look(*(a + b for a, b in zip(self, other, strict=True)))


def encoded(points: Tensor, frequencies: int) -> Tensor:
    """Positions [N, 3] with sines and cosines of 1, 2, 4 … times them [N, 3 + 6 frequencies]
    (NeRF, Mildenhall et al. 2020, without the factor pi)."""
    waves = [f(points * 2**k) for k in range(frequencies) for f in (torch.sin, torch.cos)]
    return torch.cat([points, *waves], -1)


class Geometry(nn.Module):
    """Canonical points [N, 3] -> their looks.

    The layers begin as those of a distance to a sphere (SAL, Atzmon and Lipman 2020; IDR): normal
    weights of variance 2 / width, none on sines and cosines, so that the field is smooth at first.
    """

    def __init__(self, width: int, frequencies: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        inputs = 3 + 6 * frequencies
        layers = []
        for i in range(LAYERS):
            layer = nn.Linear(inputs if i == 0 else width, width - inputs * (i == SKIP - 1))
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / layer.out_features))
            nn.init.zeros_(layer.bias)
            with torch.no_grad():
                if i == 0:
                    layer.weight[:, 3:] = 0
                elif i == SKIP:
                    layer.weight[:, 3 - inputs :] = 0
            layers.append(weight_norm(layer))
        self.trunk = nn.ModuleList(layers)
        self.color = _head(width, 2, 3)
        self.scale = _head(width, 1, 3)
        self.rotation = _head(width, 1, 4)
        self.opacity = _head(width, 1, 1)

    def forward(self, points: Tensor) -> Look:
        inputs = encoded(points, self.frequencies)
        x = inputs
        for i, layer in enumerate(self.trunk):
            x = softplus(layer(torch.cat([x, inputs], -1) / math.sqrt(2) if i == SKIP else x))
        rotation = self.rotation(x) + x.new_tensor(UNTURNED)
        return Look(self.color(x), self.scale(x), rotation, self.opacity(x))


class Correction(nn.Module):
    """Displacements [..., N, 3] of points by expression and pose -> what changes of their looks:
    shading, and wrinkles that open and close."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            weight_norm(nn.Linear(3, width)),
            nn.ReLU(),
            weight_norm(nn.Linear(width, width)),
            nn.ReLU(),
            weight_norm(nn.Linear(width, width)),
        )
        self.color = _head(width, 1, 3)
        self.scale = _head(width, 1, 3)
        self.rotation = _head(width, 1, 4)
        self.opacity = _head(width, 1, 1)

    def forward(self, displacement: Tensor) -> Look:
        x = self.trunk(displacement)
        return Look(self.color(x), self.scale(x), self.rotation(x), self.opacity(x))


class UnusedRenderer(nn.Sequential):
    """The release builds this network and calls it nowhere."""

    def __init__(self, width: int) -> None:
        super().__init__(
            weight_norm(nn.Linear(3, width)),
            nn.ReLU(),
            weight_norm(nn.Linear(width, width)),
            nn.ReLU(),
            weight_norm(nn.Linear(width, 3)),
        )


def _head(width: int, hidden: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(hidden):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, channels))
