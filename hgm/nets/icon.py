"""ICON's normal net: two image-to-image generators, for the surface that a photo shows and for the
one behind it.

Architecture as YuliangXiu/ICON at cf46a6b names it in `normal.ckpt` (lib/net/NormalNet.py; the
generator is pix2pixHD's global one): reflection padding, instance norm without parameters, four
halvings, nine residual blocks, four doublings, tanh.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.errors import InputError
from hgm.nets.lightning import read_lightning
from hgm.nets.weights import assign

PREFIX = "netG."  # of the keys in `normal.ckpt`
WIDTH = 64
HALVINGS = 4
BLOCKS = 9
SIZE = 512  # pixels of the images it was trained on


class ResidualBlock(nn.Module):
    """x + two convolutions of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *_convolution(width, width, 3), nn.ReLU(inplace=True), *_convolution(width, width, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Generator(nn.Module):
    """[B, 6, H, W] -> [B, 3, H, W] in (-1, 1); H and W divide by 16."""

    def __init__(
        self, inputs: int = 6, width: int = WIDTH, halvings: int = HALVINGS, blocks: int = BLOCKS
    ) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(halvings + 1)]
        layers = [*_convolution(inputs, width, 7), nn.ReLU(inplace=True)]
        for a, b in pairwise(widths):
            layers += [
                nn.Conv2d(a, b, 3, stride=2, padding=1),
                nn.InstanceNorm2d(b),
                nn.ReLU(inplace=True),
            ]
        layers += [ResidualBlock(widths[-1]) for _ in range(blocks)]
        for b, a in pairwise(reversed(widths)):
            layers += [
                nn.ConvTranspose2d(b, a, 3, stride=2, padding=1, output_padding=1),
                nn.InstanceNorm2d(a),
                nn.ReLU(inplace=True),
            ]
        self.model = nn.Sequential(
            *layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


class IconNormalNet(nn.Module):
    """Photo and body normals -> unit normals, all pixel by pixel in the photo's frame: x right, y
    up, z towards the camera."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.netF = Generator(width=width)
        self.netB = Generator(width=width)

    def forward(self, image: Tensor, front: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        """image [B, 3, H, W] in [-1, 1], zero outside the person, whose pixels are those that get a
        normal; front and back [B, 3, H, W] are the body's normals on its near and far side, zero
        outside it."""
        inside = (image != 0).any(1, keepdim=True)
        found = (
            net(torch.cat([image, body], 1))
            for net, body in ((self.netF, front), (self.netB, back))
        )
        near, far = (F.normalize(x, dim=1) * inside for x in found)
        return near, far


def load_icon(path: str | Path, device: str | torch.device = "cpu") -> IconNormalNet:
    """The net of `normal.ckpt`, frozen. Raises InputError for a file that lacks a tensor of it or
    has one of another shape."""
    sides = tuple(f"{PREFIX}{side}." for side in ("netF", "netB"))
    tensors = {
        key.removeprefix(PREFIX): value
        for key, value in read_lightning(path).items()
        if key.startswith(sides)
    }
    if not tensors:
        raise InputError(
            f"{path}: has no keys that begin with {' or '.join(sides)}; expected ICON's normal.ckpt"
        )
    first = tensors.get("netF.model.1.weight")
    with torch.device("meta"):
        net = IconNormalNet(WIDTH if first is None else len(first))
    net = net.to_empty(device="cpu")
    assign(net, tensors, source=str(path))
    return net.to(device).eval().requires_grad_(False)


def _convolution(a: int, b: int, kernel: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(a, b, kernel), nn.InstanceNorm2d(b)]
