"""Splatting of three sets of Gaussians in 12 views: in one call, and in other implementations."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor

from hgm.bench.measure import Way, Work
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.splat import Rendering, render, resolve_backend
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.bench.settings import Settings
from hgm.workflow.work import splatting_bytes

SETS = 3  # merged, U-Net, body; all with the size of the merged set

Draw = Callable[[Gaussians], Rendering]


def splatting_ways(settings: Settings, scene: Scene, *, backward: bool) -> list[Way]:
    """The implementations that render three sets in 12 views, with or without the gradients of
    color and alpha for every parameter."""
    views = len(scene.rig)

    def make(draw: Draw) -> Work:
        sets = scene.gaussians(SETS, opacity=0.5)
        drawn = splatting_bytes(SETS, len(sets), views, scene.config.input_size, backward=backward)
        return Work(_with_gradients(draw, sets) if backward else _without(draw, sets), drawn)

    def at_once(backend: str) -> Draw:
        return lambda sets: render(sets, scene.rig, backend=backend)

    def loop(sets: Gaussians) -> Rendering:
        views_of = [[render(sets[s], scene.rig[[v]]) for v in range(views)] for s in range(SETS)]
        return Rendering(
            *(
                torch.stack([torch.cat([getattr(r, name) for r in row]) for row in views_of])
                for name in Rendering._fields
            )
        )

    def others() -> Work:
        _need("diff_gaussian_rasterization", settings)
        return make(at_once("diff-gaussian-rasterization"))

    def reference() -> Work:
        if settings.on_cuda:
            raise InputError("timed on a CPU only")
        return make(at_once("torch"))

    backend = resolve_backend("auto", settings.device)
    return [
        Way(f"one call ({backend})", lambda: make(at_once(backend))),
        Way("a call a view and a set", lambda: make(loop)),
        Way("diff-gaussian-rasterization", others),
        Way("plain torch", reference),
    ]


def _without(draw: Draw, sets: Gaussians) -> Callable[[], object]:
    def run() -> Rendering:
        with torch.no_grad():
            return draw(sets)

    return run


def _with_gradients(draw: Draw, sets: Gaussians) -> Callable[[], object]:
    leaves = Gaussians(
        *(getattr(sets, f.name).clone().requires_grad_() for f in dataclasses.fields(sets))
    )
    parameters: list[Tensor] = [getattr(leaves, f.name) for f in dataclasses.fields(leaves)]

    def run() -> tuple[Tensor, ...]:
        out = draw(leaves)
        return torch.autograd.grad(
            [out.rgb, out.alpha], parameters, [torch.ones_like(out.rgb), torch.ones_like(out.alpha)]
        )

    return run


def _need(package: str, settings: Settings) -> None:
    if importlib.util.find_spec(package) is None:
        raise InputError(f"{package} is not installed")
    if not settings.on_cuda:
        raise InputError(f"{package} needs a CUDA device")
