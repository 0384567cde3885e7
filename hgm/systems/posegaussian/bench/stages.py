"""The stages that are timed, by the names that `--only` takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.bench.measure import Way, Work
from hgm.bench.run import Bench
from hgm.splat import backend_for
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.bench.scene import Scene
from hgm.systems.posegaussian.bench.settings import Settings
from hgm.systems.posegaussian.nets.correlation import LEVELS, RADIUS, RowCorrelation
from hgm.systems.posegaussian.network import Matching, PoseGaussian
from hgm.systems.posegaussian.pictures import pictures_of
from hgm.systems.posegaussian.settings import Depth, Maps
from hgm.systems.posegaussian.training import step_loss

LOOKUPS = 3  # of a correlation, as many as there are refinements


class OnTheWall(PoseGaussian):
    """An untrained network that finds the true flow, so that it makes as many Gaussians as a
    trained one; all that a training has gradients of is computed."""

    def forward(self, batch: StereoBatch, iterations: int | None = None) -> Matching:
        found = super().forward(batch, iterations)
        assert batch.flow is not None
        true = found.flows[-1] + (batch.flow - found.flows[-1]).detach()
        return Matching([*found.flows[:-1], true], found.features)


def _network(settings: Settings, *, maps: bool) -> PoseGaussian:
    torch.manual_seed(0)
    return OnTheWall(settings.design(maps=maps)).to(settings.device)


def training_ways(settings: Settings, scene: Scene, section: Depth | Maps) -> list[Way]:
    """A step of a training."""

    def make() -> Work:
        network = _network(settings, maps=isinstance(section, Maps))
        optimizer = torch.optim.AdamW(network.parameters(), 1e-4, fused=True)
        backend = backend_for(settings.config.splat, settings.device)
        pairs = settings.samples or section.batch
        sample = scene.sample(pairs)

        def run() -> Tensor:
            loss, _ = step_loss(network, sample, section, backend)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return Work(run, samples=pairs)

    return [Way("forward, backward and optimizer", make)]


def pair_ways(settings: Settings, scene: Scene, *, maps: bool, view: bool) -> list[Way]:
    """What a trained network makes of a pair."""

    def make() -> Work:
        network = _network(settings, maps=maps).eval()
        backend = backend_for(settings.config.splat, settings.device)
        batch = scene.sample(1).batch(settings.device)
        camera = scene.between.to(settings.device)

        def run() -> object:
            with torch.no_grad():
                matching = network(batch)
                if not maps:
                    return matching
                sets = network.gaussians(batch, network.maps(batch, matching))
                return pictures_of(sets, camera, backend=backend) if view else sets

        return Work(run, samples=1)

    return [Way(f"{settings.config.network.iterations} refinements", make)]


class SampledCorrelation(RowCorrelation):
    """The same by torch's sampling of pictures, in pictures that are one row high."""

    def __call__(self, x: Tensor) -> Tensor:
        steps = torch.arange(-RADIUS, RADIUS + 1, device=x.device)
        found = []
        for k, level in enumerate(self.levels):
            places = (x[:, 0, ..., None] / 2**k + steps).flatten(0, 2)[:, None]
            width = level.shape[-1]
            across = (2 * places + 3) / width - 1  # one more column on the left
            grid = torch.stack([across, torch.zeros_like(across)], -1)
            rows = level.reshape(-1, 1, 1, width)
            samples = F.grid_sample(rows, grid, align_corners=False)
            found.append(samples.view(*level.shape[:-1], -1))
        return torch.cat(found, -1).movedim(-1, 1)


def correlation_ways(settings: Settings, scene: Scene) -> list[Way]:
    """The products of all rows and their lookups, forward and backward."""
    widths = settings.design(maps=False).widths
    size = scene.pair.size // widths.factor

    def make(kind: type[RowCorrelation]) -> Work:
        generator = torch.Generator().manual_seed(0)
        shape = (2, widths.correlation, size, size)
        features = torch.randn(shape, generator=generator).to(settings.device).requires_grad_()
        places = size * torch.rand(LOOKUPS, 2, 1, size, size, generator=generator)
        places = places.to(settings.device)

        def run() -> Tensor:
            features.grad = None
            correlation = kind(features)
            total = torch.stack([correlation(x).square().mean() for x in places]).sum()
            total.backward()
            assert features.grad is not None
            return features.grad

        return Work(run, samples=1)

    return [
        Way(f"{size} columns, {LEVELS} levels, gathered", lambda: make(RowCorrelation)),
        Way("by grid_sample", lambda: make(SampledCorrelation)),
    ]


STAGES: dict[str, Callable[[Settings, Scene], list[Way]]] = {
    "depth": lambda settings, scene: training_ways(settings, scene, settings.config.depth),
    "maps": lambda settings, scene: training_ways(settings, scene, settings.config.maps),
    "disparity": partial(pair_ways, maps=False, view=False),
    "gaussians": partial(pair_ways, maps=True, view=False),
    "view": partial(pair_ways, maps=True, view=True),
    "correlation": correlation_ways,
}


def bench(settings: Settings) -> Bench:
    """The benchmark of stereo pairs, on a wall."""
    return Bench(settings, STAGES, lambda: Scene.of(settings))
