"""Sparse 3-D convolution in plain torch: sorted voxel keys, neighbour tables, gather and one matrix product.

The table of a layer lists, for every output voxel and each of the 27 taps, the input row (or the row of zeros behind
the last one). The gradient to the input is the same gather through the transposed table, so nothing is scattered and
the result is deterministic on every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TAPS = 27
SIDE = 1024  # voxel coordinates lie in 0 .. SIDE - 3, so that a key has room for a border


@dataclass(frozen=True, eq=False)
class VoxelSet:
    """Distinct voxels [n, 4] int64 (batch, z, y, x) in the order of their keys."""

    keys: Tensor  # [n] int64, ascending

    @classmethod
    def of(cls, coords: Tensor) -> tuple[VoxelSet, Tensor]:
        """Voxels of any coords [m, 4] and, for each of the m rows, the index of its voxel [m]."""
        if coords.numel() and (coords[:, 1:].amin() < 0 or coords[:, 1:].amax() > SIDE - 3):
            raise ValueError(f"voxel coordinates must lie in 0..{SIDE - 3}")
        keys, inverse = torch.unique(key_of(coords), return_inverse=True)
        return cls(keys), inverse

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def coords(self) -> Tensor:
        """[n, 4] int64: batch, z, y, x."""
        b, z, y, x = (self.keys // SIDE**i % SIDE for i in (3, 2, 1, 0))
        return torch.stack([b, z - 1, y - 1, x - 1], 1)

    def find(self, keys: Tensor) -> Tensor:
        """Row of the voxel of each key, or n where there is none."""
        row = torch.searchsorted(self.keys, keys)
        return torch.where(self.keys[row.clamp(max=len(self) - 1)] == keys, row, len(self))

    @cached_property
    def same(self) -> Table:
        """Neighbours for a submanifold convolution: the output voxels are the input voxels."""
        rows = self.find(self.keys[:, None] + key_offsets(3, self.keys.device) - key_step(1))
        return Table(self, rows, rows.flip(1).contiguous())

    @cached_property
    def halved(self) -> Table:
        """Neighbours for a convolution of kernel 3, stride 2, padding 1: output o sees inputs 2 o - 1 to 2 o + 1."""
        coords, tap = self.coords, torch.arange(3, device=self.keys.device)
        twice = coords[:, 1:, None] + 1 - tap  # [n, 3 axes, 3 taps]: 2 o, where that is even and not negative
        o = torch.where((twice % 2 == 0) & (twice >= 0), twice // 2, -SIDE**4)  # a sum with this one stays negative
        z, y, x = o.unbind(1)
        keys = key_of(coords * coords.new_tensor([1, 0, 0, 0]))[:, None, None, None] + (
            z[:, :, None, None] * SIDE**2 + y[:, None, :, None] * SIDE + x[:, None, None, :]
        )
        keys = keys.flatten(1)  # [n, 27]
        used = keys >= 0
        out_keys, index = torch.unique(keys[used], return_inverse=True)
        out = VoxelSet(out_keys)
        back = torch.full_like(keys, len(out))
        back[used] = index
        corner = out.coords * coords.new_tensor([1, 2, 2, 2]) - coords.new_tensor([0, 1, 1, 1])
        return Table(out, self.find(key_of(corner)[:, None] + key_offsets(3, keys.device)), back)


@dataclass(frozen=True, eq=False)
class Table:
    """Output voxels, input row of every output and tap [n_out, 27], output row of every input and tap [n_in, 27]."""

    out: VoxelSet
    forward: Tensor
    transposed: Tensor


def key_of(coords: Tensor) -> Tensor:
    """Keys [...] of voxel coords [..., 4] (batch, z, y, x), each coordinate from -1 to SIDE - 2."""
    b, z, y, x = coords.unbind(-1)
    return b * SIDE**3 + z * SIDE**2 + y * SIDE + x + key_step(1)


def key_step(cells: int) -> int:
    """What a step of `cells` along all three axes adds to a key."""
    return cells * (SIDE**2 + SIDE + 1)


def key_offsets(side: int, device: torch.device) -> Tensor:
    """What the steps to a cube of side^3 voxels add to the key of its first corner [side^3], in (z, y, x) raster order."""
    r = torch.arange(side, device=device)
    return (r[:, None, None] * SIDE**2 + r[:, None] * SIDE + r).flatten()


def _gather(x: Tensor, table: Tensor) -> Tensor:
    """Rows of x [n, C] by table [m, 27] -> [m, 27 * C]; row n is zero."""
    return torch.cat([x, x.new_zeros(1, x.shape[1])]).index_select(0, table.flatten()).view(len(table), -1)


class _SparseConvolution(torch.autograd.Function):
    """x [n_in, Cin], weight [27, Cin, Cout] -> [n_out, Cout]; the gathered rows are made again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, forward: Tensor, transposed: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, forward, transposed)
        return _gather(x, forward) @ weight.flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight, forward, transposed = ctx.saved_tensors
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = _gather(grad, transposed) @ weight.transpose(1, 2).flatten(0, 1)
        if ctx.needs_input_grad[1]:
            dw = (_gather(x, forward).mT @ grad).view_as(weight)
        return dx, dw, None, None


def sparse_conv3d(x: Tensor, weight: Tensor, table: Table) -> Tensor:
    """Voxel features [n_in, Cin] -> [n_out, Cout]; weight [27, Cin, Cout], taps in (z, y, x) raster order."""
    return _SparseConvolution.apply(x, weight, table.forward, table.transposed)


class SparseConv(nn.Module):
    """Sparse convolution, BatchNorm, ReLU; `stride` 1 keeps the voxels (submanifold), 2 halves the grid."""

    def __init__(self, channels: int, stride: int, momentum: float) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(TAPS, channels, channels))
        self.norm = nn.BatchNorm1d(channels, eps=1e-3, momentum=momentum)
        # a surface fills about a third of a 3x3x3 neighbourhood
        nn.init.normal_(self.weight, std=(2 / (TAPS / 3 * channels)) ** 0.5)

    def forward(self, x: Tensor, voxels: VoxelSet) -> tuple[Tensor, VoxelSet]:
        table = voxels.same if self.stride == 1 else voxels.halved
        return self.norm(sparse_conv3d(x, self.weight, table)).relu(), table.out
