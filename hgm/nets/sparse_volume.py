"""The sparse feature volume around the body: voxelize, convolve to a pyramid, sample anywhere
(paper section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hgm.nets import spconv_backend
from hgm.nets.sparse import SIDE, SparseConv, VoxelSet, key_of, key_offsets

MARGIN = 0.05  # NU around the body's Gaussians
LAST_CELL = 400  # voxel indices are clamped to 0 .. 400


@dataclass(frozen=True)
class Grid:
    """Where voxel 0 of each sample lies: origin [B, 3] (x, y, z) and the voxel's side, in NU."""

    origin: Tensor
    voxel: float

    @classmethod
    def around(cls, points: Tensor, voxel: float) -> Grid:
        """The grid of each sample's points [B, P, 3] begins MARGIN below their least
        coordinates."""
        return cls(points.detach().amin(1) - MARGIN, voxel)

    def cells(self, points: Tensor) -> Tensor:
        """Points [B, N, 3] (x, y, z) -> continuous cell coordinates [B, N, 3] (z, y, x); voxel
        centers at integers."""
        return ((points - self.origin[:, None]) / self.voxel).flip(-1)


def voxelize(features: Tensor, points: Tensor, grid: Grid) -> tuple[Tensor, VoxelSet]:
    """Mean feature [n, C] of every occupied voxel, from features [B, P, C] at points [B, P, 3]."""
    cells = grid.cells(points.detach()).round().long().clamp(0, LAST_CELL)
    batch = torch.arange(len(cells), device=cells.device)[:, None, None].expand(*cells.shape[:2], 1)
    voxels, index = VoxelSet.of(torch.cat([batch, cells], -1).flatten(0, 1))
    flat = features.flatten(0, 1)
    total = flat.new_zeros(len(voxels), flat.shape[1]).index_add(0, index, flat)
    count = torch.bincount(index, minlength=len(voxels)).to(flat.dtype)
    return total / count[:, None], voxels


def sample(features: Tensor, voxels: VoxelSet, cells: Tensor) -> Tensor:
    """Trilinear samples [B, N, C] of features [n, C] at cell coordinates [B, N, 3] (z, y, x); empty
    voxels are zero."""
    base = cells.detach().floor()
    upper = cells - base  # [B, N, 3]: weight of the far side along each axis
    z, y, x = torch.stack([1 - upper, upper], -1).unbind(-2)  # each [B, N, 2]
    # [B, N, 8]
    weights = (z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]).flatten(2)
    first = base.long()
    inside = ((first >= -1) & (first <= SIDE - 3)).all(-1, keepdim=True)
    batch = torch.arange(len(cells), device=cells.device)[:, None, None].expand(*cells.shape[:2], 1)
    keys = key_of(torch.cat([batch, first], -1))[..., None] + key_offsets(2, cells.device)
    rows = voxels.find(torch.where(inside, keys, -1))
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    near = padded.index_select(0, rows.flatten()).view(*rows.shape, -1)  # [B, N, 8, C]
    return (weights[..., None, :] @ near)[..., 0, :]


class SparsePyramid(nn.Module):
    """Double submanifold convolution, then `levels` times a stride-2 convolution and a double
    one."""

    def __init__(self, channels: int, levels: int, momentum: float, backend: str = "auto") -> None:
        super().__init__()
        strides = [1, 1] + [2, 1, 1] * levels
        self.layers = nn.ModuleList(SparseConv(channels, stride, momentum) for stride in strides)
        self.backend = backend

    def forward(self, features: Tensor, voxels: VoxelSet) -> list[tuple[Tensor, VoxelSet]]:
        """Features [n, C] of voxels -> the outputs of the levels at strides 2, 4, 8, ..."""
        layers = [layer for layer in self.layers if isinstance(layer, SparseConv)]
        if spconv_backend.resolve_backend(self.backend, features.device) == "spconv":
            outputs = spconv_backend.run(layers, features, voxels)
        else:
            outputs = []
            for layer in layers:
                features, voxels = layer(features, voxels)
                outputs.append((features, voxels))
        return outputs[4::3]  # the last layer of each level


class SparseVolume(nn.Module):
    """Features [B, P, C] at points [B, P, 3] -> features [B, N, levels * C] at queries [B, N, 3],
    all in NU."""

    def __init__(
        self, channels: int, levels: int, voxel: float, momentum: float, backend: str = "auto"
    ) -> None:
        super().__init__()
        self.voxel = voxel
        self.pyramid = SparsePyramid(channels, levels, momentum, backend)

    def forward(self, features: Tensor, points: Tensor, queries: Tensor) -> Tensor:
        grid = Grid.around(points, self.voxel)
        cells = grid.cells(queries)
        levels = self.pyramid(*voxelize(features, points, grid))
        return torch.cat(
            [sample(x, voxels, cells / 2 ** (i + 1)) for i, (x, voxels) in enumerate(levels)], -1
        )
