"""Layers of StyleGAN 2 (Karras et al. 2020) in plain torch: equalized learning rates, modulated
convolutions, noise.

Weights are drawn with variance 1 and multiplied, in every step, with what other networks are drawn
with, so that Adam moves all of them at the same pace. After an activation, x is multiplied with
sqrt(2), which is done with the weights before it: LeakyReLU keeps positive factors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.systems.animatable.nets.upfirdn import blurred

SLOPE = 0.2  # of LeakyReLU below zero
GAIN = math.sqrt(2)  # after it
EPSILON = 1e-8


class EqualLinear(nn.Module):
    """x [..., inputs] -> [..., outputs], with LeakyReLU where it is `activated`. `rate`: of its
    learning, against other layers'."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rate: float = 1.0,
        bias: float = 0.0,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        gain = GAIN if activated else 1.0
        self.scale = gain * rate / math.sqrt(inputs)
        self.bias_scale = gain * rate
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.bias_scale)
        return F.leaky_relu(x, SLOPE) if self.activated else x


class Convolution(nn.Module):
    """What all convolutions of a StyleUNet have in common: x [B, inputs, H, W] by the weights and
    biases that `kernel` gives, of a style or of none."""

    noise: Tensor | None  # [1, 1, H, W], added before the activation

    def __init__(
        self,
        *,
        down: bool = False,  # blurred, then every second pixel
        up: bool = False,  # zeros between the pixels, then blurred
        activated: bool = True,
        noise: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.down = down
        self.up = up
        self.activated = activated
        self.register_buffer("noise", noise)

    def kernel(self, style: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Weights [outputs, inputs, k, k], biases [outputs], and the strength [1] of the noise,
        None for 1."""
        raise NotImplementedError

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        weight, bias, strength = self.kernel(style)
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = blurred(x, 1, gain=4.0, bias=bias)
        elif self.down:
            x = F.conv2d(blurred(x, 2), weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        # in place, since no convolution needs its own result again
        if self.noise is not None:
            noise = self.noise if strength is None else strength * self.noise
            x = x.add_(noise.to(x.dtype))
        return F.leaky_relu_(x, SLOPE) if self.activated else x


class EqualConvolution(Convolution):
    """A convolution with LeakyReLU that no style changes."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, down: bool = False) -> None:
        super().__init__(down=down)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = GAIN / math.sqrt(inputs * kernel**2)

    def kernel(self, style: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        return self.weight * self.scale, self.bias * GAIN, None


class Join(NamedTuple):
    """A 3x3 convolution of two sets of features, of which one is the same for both decoders and is
    convolved once: what is left is the half of the weights for the other one."""

    weight: Tensor  # [C, C, 3, 3]
    part: Tensor  # [B, C, H, W]

    @classmethod
    def of(cls, convolution: Convolution, features: Tensor) -> Join:
        """Of a convolution of 2 C channels, the second half of which are these features."""
        weight, bias, _ = convolution.kernel(None)
        own, shared = weight.chunk(2, 1)
        return cls(own, F.conv2d(features, shared, bias, padding=1))

    def __call__(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.conv2d(x, self.weight, padding=1) + self.part, SLOPE)


class ModulatedConvolution(Convolution):
    """A convolution whose weights a style multiplies, one factor an input channel.

    `size`: that of what comes out, where noise is added to it. Demodulated, the weights of each
    output have length 1 again, so that x keeps its variance; without (`to_bands`), x is neither
    activated nor noisy.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        style: int,
        *,
        size: int | None = None,
        up: bool = False,
    ) -> None:
        noise = None if size is None else torch.randn(1, 1, size, size)
        super().__init__(up=up, activated=size is not None, noise=noise)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.modulation = EqualLinear(style, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        if size is not None:
            self.strength = nn.Parameter(torch.zeros(1))

    def kernel(self, style: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        assert style is not None
        weight = self.weight * (self.scale * self.modulation(style)).view(1, -1, 1, 1)
        if not self.activated:
            return weight, self.bias, None
        length = weight.square().sum((1, 2, 3), keepdim=True)
        weight = weight * (GAIN * torch.rsqrt(length + EPSILON))
        return weight, self.bias * GAIN, self.strength * GAIN


class Mapping(nn.Module):
    """The style [width]: two layers of a constant vector, which learn a hundredth as fast as all
    others. The same for every picture, so that it can be folded into the weights."""

    RATE = 0.01

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.ModuleList(
            EqualLinear(width, width, rate=self.RATE, activated=True) for _ in range(2)
        )

    def forward(self) -> Tensor:
        like = next(self.parameters())
        constant = like.new_full((self.width,), 1 / math.sqrt(self.width))
        style = constant * torch.rsqrt(constant.square().mean() + EPSILON)
        for layer in self.layers:
            style = layer(style)
        return style
