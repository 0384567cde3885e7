"""The sparse pyramid through spconv 2 with the same weights: faster on CUDA, forward only on a CPU."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor

from hgm.errors import InputError, MissingDependency
from hgm.nets.sparse import SparseConv, VoxelSet

SHAPE = [416, 416, 416]  # voxel indices end at 400; the published grids are multiples of 32


def resolve_backend(name: str, device: torch.device | str) -> str:
    """`auto` -> `spconv` on CUDA where it is installed, else `torch`. Raises InputError or MissingDependency."""
    installed = importlib.util.find_spec("spconv") is not None
    if name == "auto":
        return "spconv" if installed and torch.device(device).type == "cuda" else "torch"
    if name not in ("torch", "spconv"):
        raise InputError(f"sparse_backend: {name!r} is unknown; expected auto, torch or spconv")
    if name == "spconv" and not installed:
        raise MissingDependency("sparse_backend: spconv is not installed; install spconv 2.3 or use sparse_backend: torch")
    return name


def to_spconv(weight: Tensor) -> Tensor:
    """Weights [27, Cin, Cout] -> spconv's [Cout, 3, 3, 3, Cin]."""
    return weight.permute(2, 0, 1).unflatten(1, (3, 3, 3)).contiguous()


def from_spconv(weight: Tensor) -> Tensor:
    """Inverse of `to_spconv`."""
    return weight.flatten(1, 3).permute(1, 2, 0).contiguous()


def run(layers: list[SparseConv], features: Tensor, voxels: VoxelSet) -> list[tuple[Tensor, VoxelSet]]:
    """The output of every layer, features [n, C] in voxel order, as the layers' own forward gives it.

    Raises InputError when gradients are asked for on a CPU, which spconv cannot give.
    """
    import spconv.pytorch as spconv

    if not features.is_cuda and torch.is_grad_enabled():
        raise InputError("sparse_backend: spconv has no backward pass on a CPU; use sparse_backend: torch")
    algorithm = None if features.is_cuda else spconv.ConvAlgo.Native
    batch = int(voxels.coords[:, 0].max()) + 1
    x = spconv.SparseConvTensor(features, voxels.coords.int().contiguous(), SHAPE, batch)
    outputs, level = [], 0
    for layer in layers:
        channels = layer.weight.shape[1:]
        options: dict[str, Any] = {"bias": False, "algo": algorithm}
        if layer.stride == 1:
            convolution = spconv.SubMConv3d(*channels, 3, indice_key=f"level{level}", **options)
        else:
            level += 1
            convolution = spconv.SparseConv3d(*channels, 3, stride=2, padding=1, **options)
        x = torch.func.functional_call(convolution, {"weight": to_spconv(layer.weight)}, (x,))
        x = x.replace_feature(layer.norm(x.features).relu())
        found, row = VoxelSet.of(x.indices.long())  # spconv's order is its own; all rows are distinct
        outputs.append((x.features[torch.argsort(row)], found))
    return outputs
