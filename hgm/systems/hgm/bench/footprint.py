"""GPU memory of a training step, computed on tensors that have shapes but no memory, so that
networks of any size can be examined on any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from hgm.bench.flops import count_flops
from hgm.gaussians import CHANNELS
from hgm.metrics.lpips import LPIPS
from hgm.systems.hgm.networks.config import INPUT_CHANNELS, PERSON_SHARE, HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.surfaces import PersonPixels

GIB = 1 << 30
STATIC = 16  # bytes for each parameter: weight, gradient, Adam's two moments, all float32
# bytes of a sample with 12 views of 512 px and three sets, from the sizes of gsplat's buffers; not
# computed here
SPLATTING = 0.9 * GIB
RESERVED = 3.0 * GIB  # CUDA's context, convolution workspaces, gaps between blocks; a guess
SETS = 3  # of Gaussians that a step renders
# GiB that a process can use on an A100, an H100, an H200
CARDS = {"40 GB": 39.0, "80 GB": 79.0, "141 GB": 139.0}
FILLED = 0.9  # share of a card to fill; the rest is for what is not computed
BATCH = 4  # samples in a step of the paper, over all GPUs


@dataclass(frozen=True)
class Footprint:
    """Bytes of one training step: those that do not depend on the batch, those of each sample, and
    what recomputing LPIPS saves."""

    parameters: int  # their number
    networks: int  # kept for the backward pass, for each sample
    lpips: int  # features of the renders of one set and of the targets, for each sample

    def total(self, batch: int, *, recomputed: bool = True) -> float:
        """Bytes with a micro-batch of `batch` samples. recomputed: LPIPS features are held for one
        set at a time, else for all sets."""
        lpips = self.lpips * (1 if recomputed else SETS)
        return STATIC * self.parameters + RESERVED + batch * (self.networks + lpips + SPLATTING)


def footprint(
    config: HGMConfig, *, precision: str = "bf16", supervised: int = 12, lpips_size: int = 256
) -> Footprint:
    """The footprint of one HGM with all parts that have a fixed shape: U-Net, image encoder, body
    head and merge network."""
    bf16 = precision == "bf16"
    size = config.input_size
    with FakeTensorMode():
        model = _without_memory(lambda: HGM(config))
        lpips = _without_memory(lambda: LPIPS(lpips_size))
        model.train()
        parts = _fixed_parts(model, config)
        networks = sum(kept(part, call, bf16=bf16) for part, call in parts)

        def loss() -> Tensor:
            renders = torch.empty(supervised, 3, size, size, requires_grad=True)
            found: Tensor = lpips(renders, [x.detach() for x in lpips.features(renders)])
            return found

        return Footprint(
            sum(p.numel() for p in model.parameters()), networks, kept(lpips, loss, bf16=False)
        )


def _fixed_parts(model: HGM, config: HGMConfig) -> list[tuple[nn.Module, Callable[[], Any]]]:
    """The parts of one HGM that have a fixed shape, each with a function that calls it on one
    sample."""
    images = torch.empty(config.views, INPUT_CHANNELS, config.input_size, config.input_size)
    parts: list[tuple[nn.Module, Callable[[], Any]]] = [
        (model.unet, lambda: model.unet(images, config.views)),
        (model.merge, lambda: model.merge(torch.empty(1, config.merge_channels, config.gaussians))),
    ]
    if config.surfaces:
        shown = round(config.views * config.input_size**2 * PERSON_SHARE)
        index = torch.zeros(1, shown, dtype=torch.long)
        pixels = PersonPixels(index, (shown,))
        features = torch.empty(1, shown, CHANNELS + config.unet.up[-1])
        parts.append((model.detail, lambda: model.detail(features, images[None], pixels)))
    if config.use_body:
        points = torch.empty(1, 3 + config.token_channels, config.vertices)
        parts += [
            (model.encoder, lambda: model.encoder(images)),
            (model.body.head, lambda: model.body.head(points)),
        ]
    return parts


def forward_flops(config: HGMConfig) -> int:
    """FLOPs of a forward pass of the same parts on one sample."""
    with FakeTensorMode(), torch.no_grad():
        model = _without_memory(lambda: HGM(config))
        return sum(count_flops(call) for _, call in _fixed_parts(model, config))


def flops_without_memory(build: Callable[[], nn.Module], call: Callable[[Any], object]) -> int:
    """FLOPs of calling a module that is built on tensors without memory."""
    with FakeTensorMode(), torch.no_grad():
        module = _without_memory(build)
        return count_flops(lambda: call(module))


def kept(module: nn.Module, call: Callable[[], Any], *, bf16: bool) -> int:
    """Bytes that autograd keeps from a call for its backward pass, without the module's own
    weights."""
    own = {p.untyped_storage()._cdata for p in module.parameters()}
    found: dict[int, torch.UntypedStorage] = {}

    def pack(x: Tensor) -> Tensor:
        # keeps the storage alive, so that its address is not reused
        found[x.untyped_storage()._cdata] = x.untyped_storage()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x), _autocast(bf16):
        call()
    return sum(storage.nbytes() for key, storage in found.items() if key not in own)


def _without_memory(build: Callable[[], Any]) -> Any:
    """A module with parameters and buffers of the current mode, which allocates no memory."""
    with _disable_current_modes(), torch.device("meta"):
        module = build()
    for part in module.modules():
        for name, p in part._parameters.items():
            if p is not None:
                part._parameters[name] = nn.Parameter(
                    torch.empty(p.shape), requires_grad=p.requires_grad
                )
        for name, b in part._buffers.items():
            if b is not None:
                part._buffers[name] = torch.empty(b.shape, dtype=b.dtype)
    return module


class _Norms(TorchFunctionMode):
    """Normalizations in float32, as CUDA's autocast computes them; the CPU's autocast does not."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (F.group_norm, F.layer_norm):
            args = (args[0].float(), *args[1:])
        return func(*args, **(kwargs or {}))


@contextmanager
def _autocast(bf16: bool) -> Iterator[None]:
    """bfloat16 autocast as on CUDA, for tensors of a CPU."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), _Norms():
        yield


def largest_batch(found: Footprint, card: float) -> int | None:
    """The largest micro-batch that fits a card of `card` GiB and divides the paper's batch; None
    where not even one sample fits."""
    return next((b for b in (4, 2, 1) if found.total(b) <= FILLED * card * GIB), None)


def table() -> str:
    """Memory of the paper's two trainings, and the settings for each card, as Markdown."""
    lines = [
        "| training | GiB at batch 1, 2, 4 | LPIPS kept | " + " | ".join(CARDS) + " |",
        "|---|---|---|" + "---|" * len(CARDS),
    ]
    for stage, views in (("coarse", 1), ("fusion", 2)):
        found = footprint(HGMConfig.paper(views))
        now, before = (
            " / ".join(f"{found.total(b, recomputed=r) / GIB:.0f}" for b in (1, 2, BATCH))
            for r in (True, False)
        )
        cells = []
        for card in CARDS.values():
            batch = largest_batch(found, card)
            cells.append(
                "–"
                if batch is None
                else f"`{stage}: {{batch: {batch}, accumulate: {BATCH // batch}}}`"
            )
        lines.append(f"| {stage} | {now} | {before} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
