"""The sparse pyramid through spconv 2, with the same weights. It is faster on CUDA; on a CPU it
computes no gradients."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hgm.core.probes import failure, indexed, say_once
from hgm.errors import InputError, MissingDependency
from hgm.nets.sparse import SparseConv, VoxelSet

log = logging.getLogger(__name__)

SHAPE = [416, 416, 416]  # voxel indices end at 400; the published grids are multiples of 32
INSTALL = "pip uninstall --yes spconv cumm, then pip install -r requirements-gpu.in"
# largest relative difference of the probe: above rounding in half precision, below any fault
AGREEMENT = 0.01


def resolve_backend(name: str, device: torch.device | str) -> str:
    """`auto` -> `spconv` on CUDA where it works, else `torch`; what is taken on CUDA, and why, is
    said once a process.

    spconv works where its build knows the GPU and a small pyramid gives plain torch's outputs and
    gradients on it, which is tried once a process. Raises InputError for an unknown name or a build
    that cannot do what is asked, MissingDependency where spconv is asked for and not installed.
    """
    if name not in ("auto", "torch", "spconv"):
        raise InputError(
            f"network.sparse_backend: {name!r} is unknown; expected auto, torch or spconv"
        )
    place = indexed(device)
    if name == "torch" or (name == "auto" and place.type != "cuda"):
        return "torch"
    if not _installed() and name == "spconv":
        raise MissingDependency(
            f"network.sparse_backend: spconv is not installed; {INSTALL}, or use auto"
        )
    reason = hindrance(place) if place.type == "cuda" else None
    if reason is None:
        if place.type == "cuda":
            say_once(
                f"sparse convolution on {place}: spconv, which agrees with plain torch there", log
            )
        return "spconv"
    if name == "spconv":
        raise InputError(
            f"network.sparse_backend: spconv cannot be used on {place}: {reason}; or use auto"
        )
    say_once(
        f"sparse convolution on {place}: plain torch, since spconv cannot be used: {reason}", log
    )
    return "torch"


@cache
def hindrance(device: torch.device) -> str | None:
    """Why spconv cannot be used on a CUDA device, in a phrase; None where it can."""
    if not _installed():
        return f"it is not installed ({INSTALL})"
    try:
        from spconv.cppconstants import CPU_ONLY_BUILD

        if CPU_ONLY_BUILD:
            return f"the installed build is for CPUs only ({INSTALL})"
        return _differs(device)
    except torch.OutOfMemoryError:  # says nothing about the backend
        raise
    # another's compiled code: whatever it raises here it would raise in the first step
    except Exception as error:
        return failure(error)


def _installed() -> bool:
    spec = importlib.util.find_spec("spconv")
    # a folder that an uninstall left behind has no origin
    return spec is not None and spec.origin is not None


def _differs(device: torch.device) -> str | None:
    """Whether a small pyramid through spconv gives other outputs and gradients on a device than in
    plain torch."""
    generator = torch.Generator().manual_seed(0)
    with (
        torch.random.fork_rng(devices=[]),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
    ):
        layers = [SparseConv(8, stride, 0.1) for stride in (1, 2, 1)]
        for layer in layers:
            layer.weight.data.normal_(std=0.2, generator=generator)
            layer.to(device)
        cells = torch.randint(6, (150, 3), generator=generator)
        voxels, _ = VoxelSet.of(
            torch.cat([torch.zeros(len(cells), 1, dtype=torch.long), cells], 1).to(device)
        )
        start = torch.randn(len(voxels), 8, generator=generator).to(device).requires_grad_()
        ours = start
        at = voxels
        for layer in layers:
            ours, at = layer(ours, at)
        theirs = run(layers, start, voxels)[-1][0]
        push = torch.randn(ours.shape, generator=generator).to(device)
        parameters = [start, *(layer.weight for layer in layers)]
        pairs = [
            (theirs, ours),
            *zip(*(torch.autograd.grad(y, parameters, push) for y in (theirs, ours)), strict=True),
        ]
    worst = float(torch.stack([(a - b).norm() / b.norm() for a, b in pairs]).max().detach())
    return None if worst < AGREEMENT else f"its results differ from plain torch's by {worst:.1g}"


def to_spconv(weight: Tensor) -> Tensor:
    """Weights [27, Cin, Cout] -> spconv's [Cout, 3, 3, 3, Cin]."""
    return weight.permute(2, 0, 1).unflatten(1, (3, 3, 3)).contiguous()


def from_spconv(weight: Tensor) -> Tensor:
    """Inverse of `to_spconv`."""
    return weight.flatten(1, 3).permute(1, 2, 0).contiguous()


def run(
    layers: list[SparseConv], features: Tensor, voxels: VoxelSet
) -> list[tuple[Tensor, VoxelSet]]:
    """The output of every layer, features [n, C] in voxel order, as the layers' own forward gives
    it.

    Raises InputError when gradients are asked for on a CPU, which spconv cannot give.
    """
    import spconv.pytorch as spconv

    if not features.is_cuda and torch.is_grad_enabled():
        raise InputError("network.sparse_backend: spconv has no backward pass on a CPU; use auto")
    algorithm = None if features.is_cuda else spconv.ConvAlgo.Native
    batch = int(voxels.coords[:, 0].max()) + 1
    outputs = []
    level = 0
    # else it would use GPU 0
    with torch.cuda.device(features.device) if features.is_cuda else contextlib.nullcontext():
        x = spconv.SparseConvTensor(features, voxels.coords.int().contiguous(), SHAPE, batch)
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
            # spconv's order is its own; all rows are distinct
            found, row = VoxelSet.of(x.indices.long())
            outputs.append((x.features[torch.argsort(row)], found))
    return outputs
