"""The sparse feature volume around the body, in plain torch and through spconv."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from hgm.bench.measure import Way, Work
from hgm.nets.sparse_volume import SparseVolume
from hgm.nets.spconv_backend import resolve_backend
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.bench.settings import Settings

BYTES = 4


def volume_ways(settings: Settings, scene: Scene) -> list[Way]:
    """Features at the body's vertices -> voxels -> pyramid -> features at the Gaussians of one
    view, without gradients."""

    def make(backend: str) -> Work:
        resolve_backend(backend, settings.device)
        torch.manual_seed(0)
        c = scene.config
        volume = (
            SparseVolume(c.token_channels, c.sparse_levels, c.voxel, c.sparse_momentum, backend)
            .to(settings.device)
            .eval()
        )
        points = scene.vertices[None]
        queries = scene.gaussians().means
        features = torch.randn(1, points.shape[1], c.token_channels, device=settings.device)
        numbers = features.numel() + queries.shape[1] * c.sparse_levels * c.token_channels

        def run(name: str = backend) -> Tensor:
            volume.pyramid.backend = name
            with torch.no_grad():
                return volume(features, points, queries)

        return Work(run, BYTES * numbers, counted=lambda: run("torch"))

    first = resolve_backend("auto", settings.device)
    return [
        Way(name, partial(make, name))
        for name in (first, "spconv" if first == "torch" else "torch")
    ]
