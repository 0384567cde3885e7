"""The Inception network of the FID and KID literature (the 2015 TensorFlow graph), pool features,
from a weight file on disk.

Layers carry the names of the published PyTorch conversion
(`weights-inception-2015-12-05-6726825d.pth`), so that it loads as it is. Against torchvision's
Inception: average pools leave the padding out, the last block pools by maximum, images are resized
as TensorFlow 1 did it and scaled by (x - 128) / 128.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.metrics.weights import read_weights, take

SIZE = 299
FEATURES = 2048


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU. `kernel` is one number or (height, width)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        same: bool = True,
    ) -> None:
        super().__init__()
        k = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (k[0] // 2, k[1] // 2) if same else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, k, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _mean_pool(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class Block(nn.Module):
    """Parallel branches, each a chain of named units, concatenated along the channels.

    chains: for each branch its units in order; a unit is (name, outputs, kernel) or (name, outputs,
    kernel, stride), where a stride of 2 goes without padding. A tuple of two units in place of one
    is a fork whose outputs are concatenated. `pool` feeds a last branch: it goes through the unit
    `branch_pool` if `pooled` > 0, else it is concatenated as it is.
    """

    def __init__(self, inputs: int, chains: list[list[Any]], *, pool: str, pooled: int = 0) -> None:
        super().__init__()
        self.chains: list[list[tuple[str, ...]]] = []
        self.pool = pool
        for chain in chains:
            channels = inputs
            names = []
            for step in chain:
                fork = step if isinstance(step[0], tuple) else (step,)
                for name, outputs, kernel, *stride in fork:
                    strided = bool(stride)
                    self.add_module(
                        name,
                        Unit(
                            channels, outputs, kernel, stride=2 if strided else 1, same=not strided
                        ),
                    )
                channels = sum(unit[1] for unit in fork)
                names.append(tuple(unit[0] for unit in fork))
            self.chains.append(names)
        self.branch_pool = Unit(inputs, pooled, 1) if pooled else None

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for chain in self.chains:
            y = x
            for names in chain:
                y = torch.cat([self.get_submodule(name)(y) for name in names], 1)
            outputs.append(y)
        if self.pool == "mean":
            y = _mean_pool(x)
        else:
            y = F.max_pool2d(x, 3, 2) if self.branch_pool is None else F.max_pool2d(x, 3, 1, 1)
        return torch.cat([*outputs, y if self.branch_pool is None else self.branch_pool(y)], 1)


def _a(inputs: int, pooled: int) -> Block:
    return Block(
        inputs,
        [
            [("branch1x1", 64, 1)],
            [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
            [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
        ],
        pool="mean",
        pooled=pooled,
    )


def _b(inputs: int) -> Block:
    return Block(
        inputs,
        [
            [("branch3x3", 384, 3, 2)],
            [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3, 2)],
        ],
        pool="max",
    )


def _c(inputs: int, width: int) -> Block:
    return Block(
        inputs,
        [
            [("branch1x1", 192, 1)],
            [
                ("branch7x7_1", width, 1),
                ("branch7x7_2", width, (1, 7)),
                ("branch7x7_3", 192, (7, 1)),
            ],
            [
                ("branch7x7dbl_1", width, 1),
                ("branch7x7dbl_2", width, (7, 1)),
                ("branch7x7dbl_3", width, (1, 7)),
                ("branch7x7dbl_4", width, (7, 1)),
                ("branch7x7dbl_5", 192, (1, 7)),
            ],
        ],
        pool="mean",
        pooled=192,
    )


def _d(inputs: int) -> Block:
    return Block(
        inputs,
        [
            [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)],
            [
                ("branch7x7x3_1", 192, 1),
                ("branch7x7x3_2", 192, (1, 7)),
                ("branch7x7x3_3", 192, (7, 1)),
                ("branch7x7x3_4", 192, 3, 2),
            ],
        ],
        pool="max",
    )


def _e(inputs: int, pool: str) -> Block:
    return Block(
        inputs,
        [
            [("branch1x1", 320, 1)],
            [
                ("branch3x3_1", 384, 1),
                (("branch3x3_2a", 384, (1, 3)), ("branch3x3_2b", 384, (3, 1))),
            ],
            [
                ("branch3x3dbl_1", 448, 1),
                ("branch3x3dbl_2", 384, 3),
                (("branch3x3dbl_3a", 384, (1, 3)), ("branch3x3dbl_3b", 384, (3, 1))),
            ],
        ],
        pool=pool,
        pooled=192,
    )


class Inception(nn.Module):
    """Images [N, 3, H, W] in [0, 1] -> pool features [N, 2048]."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2, same=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, same=False)
        self.Mixed_5b = _a(192, 32)
        self.Mixed_5c = _a(256, 64)
        self.Mixed_5d = _a(288, 64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b = _c(768, 128)
        self.Mixed_6c = _c(768, 160)
        self.Mixed_6d = _c(768, 160)
        self.Mixed_6e = _c(768, 192)
        self.Mixed_7a = _d(768)
        self.Mixed_7b = _e(1280, "mean")
        self.Mixed_7c = _e(2048, "max")
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Inception:
        """Always in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """The images are rounded to 8 bits first, as the reference implementations take bytes."""
        x = resize_tensorflow((images.clamp(0, 1) * 255).round(), SIZE)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3((x - 128) / 128)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((2, 3))


def resize_tensorflow(images: Tensor, size: int) -> Tensor:
    """Bilinear resize [N, C, H, W] -> [N, C, size, size] with TensorFlow 1's grid: output i samples
    input i * in / out.
    """

    def axis(length: int) -> tuple[Tensor, Tensor, Tensor]:
        position = torch.arange(size, dtype=torch.float32, device=images.device) * (length / size)
        low = position.long()
        return low, (low + 1).clamp(max=length - 1), position - low

    y0, y1, fy = axis(images.shape[2])
    x0, x1, fx = axis(images.shape[3])
    rows = torch.lerp(images[:, :, y0], images[:, :, y1], fy[:, None])
    return torch.lerp(rows[..., x0], rows[..., x1], fx)


def load_inception(path: str | Path | None, *, sha256: str | None = None) -> Inception | None:
    """The network with the weights of `path`, None without a path. Raises InputError on an unusable
    file."""
    if path is None:
        return None
    model = Inception()
    wanted = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    key = "weights.inception"
    model.load_state_dict(take(read_weights(path, key, sha256), wanted, key), strict=False)
    return model
