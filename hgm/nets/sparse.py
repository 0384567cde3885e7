"""Sparse 3-D convolution in plain torch: sorted voxel keys, and for every tap the pairs of voxels
that it joins.

The pairs of a coordinate set are found once and shared by its layers. A layer gathers the inputs of
all pairs, multiplies tap by tap, and sums the products of each output voxel in a fixed order, so
the result is deterministic on every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
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
    def same(self) -> Pairs:
        """Pairs of a submanifold convolution: the output voxels are the input voxels."""
        n = len(self)
        device = self.keys.device
        # the other half are the same pairs, reversed
        half = key_offsets(3, device)[: TAPS // 2, None] - key_step(1)
        rows = self.find(self.keys + half)  # [13, n]
        tap, dst = torch.nonzero(rows < n, as_tuple=True)
        src = rows[tap, dst]
        counts = torch.bincount(tap, minlength=TAPS // 2).tolist()
        own = torch.arange(n, device=device)
        back = [torch.cat(part.split(counts)[::-1]) for part in (dst, src)]
        return Pairs(
            self,
            n,
            torch.cat([src, own, back[0]]),
            torch.cat([dst, own, back[1]]),
            [*counts, n, *reversed(counts)],
        )

    @cached_property
    def halved(self) -> Pairs:
        """Pairs of a convolution of kernel 3, stride 2, padding 1: output o sees inputs 2 o - 1 to
        2 o + 1."""
        coords = self.coords.T
        tap = torch.arange(3, device=self.keys.device)
        # [3 axes, 3 taps, n]: 2 o, where that is even and not negative
        twice = coords[1:, None] + 1 - tap[:, None]
        # its sums stay negative
        z, y, x = torch.where((twice % 2 == 0) & (twice >= 0), twice // 2, -(SIDE**4))
        base = coords[0] * SIDE**3 + key_step(1)
        # [27, n]
        keys = (
            base + z[:, None, None] * SIDE**2 + y[None, :, None] * SIDE + x[None, None]
        ).flatten(0, 2)
        tap, src = torch.nonzero(keys >= 0, as_tuple=True)
        out, dst = torch.unique(keys[tap, src], return_inverse=True)
        return Pairs(
            VoxelSet(out), len(self), src, dst, torch.bincount(tap, minlength=TAPS).tolist()
        )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Input row `src` and output row `dst` [m] of every pair, tap after tap; `counts` pairs for
    each of the 27 taps."""

    out: VoxelSet
    inputs: int  # number of input voxels
    src: Tensor
    dst: Tensor
    counts: list[int]

    @cached_property
    def at_dst(self) -> Bags:
        """The pairs of each output row."""
        return Bags.of(self.dst, self.counts, len(self.out))

    @cached_property
    def at_src(self) -> Bags:
        """The pairs of each input row, for the backward pass."""
        return Bags.of(self.src, self.counts, self.inputs)


@dataclass(frozen=True, eq=False)
class Bags:
    """The pairs of each row in the order of taps: pair indices `order` [m] and where each row's
    begin [rows + 1]."""

    order: Tensor
    begin: Tensor

    @classmethod
    def of(cls, row: Tensor, counts: list[int], rows: int) -> Bags:
        tap = torch.repeat_interleave(torch.arange(TAPS), torch.tensor(counts)).to(row.device)
        pair = torch.full((rows, TAPS), -1, device=row.device)  # a row has at most one pair a tap
        pair[row, tap] = torch.arange(len(row), device=row.device)
        used = pair >= 0
        return cls(pair[used], F.pad(used.sum(1).cumsum(0), (1, 0)))

    def sum(self, x: Tensor) -> Tensor:
        """x [m, C] of the pairs -> [rows, C]."""
        return F.embedding_bag(self.order, x, self.begin, mode="sum", include_last_offset=True)


def key_of(coords: Tensor) -> Tensor:
    """Keys [...] of voxel coords [..., 4] (batch, z, y, x), each coordinate from -1 to SIDE - 2."""
    b, z, y, x = coords.unbind(-1)
    return b * SIDE**3 + z * SIDE**2 + y * SIDE + x + key_step(1)


def key_step(cells: int) -> int:
    """What a step of `cells` along all three axes adds to a key."""
    return cells * (SIDE**2 + SIDE + 1)


def key_offsets(side: int, device: torch.device) -> Tensor:
    """What the steps to a cube of side^3 voxels add to the key of its first corner [side^3], in (z,
    y, x) raster order."""
    r = torch.arange(side, device=device)
    return (r[:, None, None] * SIDE**2 + r[:, None] * SIDE + r).flatten()


class _SparseConvolution(torch.autograd.Function):
    """x [n_in, Cin], weight [27, Cin, Cout] -> [n_out, Cout]; the gathered rows are made again in
    the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.pairs = pairs
        return pairs.at_dst.sum(_products(x, pairs.src, weight, pairs.counts))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        pairs: Pairs = ctx.pairs
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = pairs.at_src.sum(_products(grad, pairs.dst, weight.mT, pairs.counts))
        if ctx.needs_input_grad[1]:
            taps = zip(pairs.src.split(pairs.counts), pairs.dst.split(pairs.counts), strict=True)
            dw = torch.stack(
                [x.index_select(0, src).mT @ grad.index_select(0, dst) for src, dst in taps]
            )
        return dx, dw, None


def _products(x: Tensor, rows: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
    """Rows [m] of x [n, Cin], tap after tap, times each tap's weight [27, Cin, Cout] -> [m,
    Cout]."""
    out = x.new_empty(len(rows), weight.shape[2])
    for part, matrix, target in zip(rows.split(counts), weight, out.split(counts), strict=True):
        torch.mm(x.index_select(0, part), matrix, out=target)
    return out


def sparse_conv3d(x: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
    """Voxel features [n_in, Cin] -> [n_out, Cout]; weight [27, Cin, Cout], taps in (z, y, x) raster
    order."""
    return _SparseConvolution.apply(x, weight, pairs)


class SparseConv(nn.Module):
    """Sparse convolution, BatchNorm, ReLU; `stride` 1 keeps the voxels (submanifold), 2 halves the
    grid."""

    def __init__(self, channels: int, stride: int, momentum: float) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(TAPS, channels, channels))
        self.norm = nn.BatchNorm1d(channels, eps=1e-3, momentum=momentum)
        # a surface fills about a third of a 3x3x3 neighborhood
        nn.init.normal_(self.weight, std=(2 / (TAPS / 3 * channels)) ** 0.5)

    def forward(self, x: Tensor, voxels: VoxelSet) -> tuple[Tensor, VoxelSet]:
        pairs = voxels.same if self.stride == 1 else voxels.halved
        return self.norm(sparse_conv3d(x, self.weight, pairs)).relu(), pairs.out
