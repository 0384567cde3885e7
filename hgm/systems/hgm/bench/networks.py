"""The benchmark stages of HGM's networks: a forward pass, a training step, a photo to Gaussians."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hgm.bench.measure import Way, Work
from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.systems.hgm.back_view.refiner import BackViewRefiner
from hgm.systems.hgm.bench.diffusion import make_refiner
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.bench.settings import PLAIN, Networks, Settings
from hgm.systems.hgm.losses import hgm_loss
from hgm.systems.hgm.networks.hgm import HGM, HGMOutput
from hgm.systems.hgm.reconstruction import Reconstruction, Reconstructor
from hgm.systems.hgm.sections.training import Loss
from hgm.systems.hgm.training import gaussian_sets
from hgm.systems.hgm.variants import VARIANTS
from hgm.workflow.work import ADAM_PASSES, splatting_bytes

LR = 1e-4


def forward_ways(settings: Settings, scene: Scene, views: int) -> list[Way]:
    """The networks on one sample with one or two input views, without gradients."""

    seen = scene.sides[:views]

    def make(how: Networks) -> Work:
        model = _model(settings, how, views).eval().requires_grad_(False)
        images, masks = (x[seen][None] for x in (scene.pictures.rgb, scene.pictures.alpha))
        cameras = scene.rig[seen][None]
        vertices = scene.vertices[None]

        def run() -> HGMOutput:
            with torch.no_grad():
                return model(images, cameras, vertices, masks=masks, precision=how.precision)

        return Work(run, compile=_compiling(how, [model]), counted=_in_torch(model, run))

    return _with_plain(settings, make)


def backward_ways(settings: Settings, scene: Scene) -> list[Way]:
    """The networks' share of a training step: forward and backward of the one-view HGM, without
    renders and optimizer."""
    batch = settings.batch
    images, masks = (
        x[scene.views.front].expand(batch, 1, -1, -1, -1)
        for x in (scene.pictures.rgb, scene.pictures.alpha)
    )
    vertices = scene.vertices.expand(batch, -1, -1)
    cameras = _expand(scene.rig[scene.sides[:1]], batch)

    def make(how: Networks) -> Work:
        model = _model(settings, how, 1).train()

        def run() -> Tensor:
            sets = gaussian_sets(
                model(images, cameras, vertices, masks=masks, precision=how.precision)
            )
            total = torch.stack([g.packed().square().mean() for g in sets.values()]).sum()
            total.backward()
            model.zero_grad(set_to_none=True)
            return total.detach()

        return Work(
            run, samples=batch, compile=_compiling(how, [model]), counted=_in_torch(model, run)
        )

    return _with_plain(settings, make)


def training_ways(settings: Settings, scene: Scene) -> list[Way]:
    """One step of the one-view HGM: networks, renders of three sets, loss, backward pass, AdamW."""
    batch = settings.batch
    count = settings.sizes.supervised
    images, masks = (
        x[scene.views.front].expand(batch, 1, -1, -1, -1)
        for x in (scene.pictures.rgb, scene.pictures.alpha)
    )
    rgb, mask = (
        x[:count].expand(batch, -1, -1, -1, -1) for x in (scene.pictures.rgb, scene.pictures.alpha)
    )
    vertices = scene.vertices.expand(batch, -1, -1)

    def make(how: Networks, loop: bool) -> Work:
        model = _model(settings, how, 1).train()
        parameters = list(model.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=LR, fused=settings.on_cuda)
        inputs = _expand(scene.rig[scene.sides[:1]], batch)
        seen = _expand(scene.rig[:count], batch)

        def run() -> float:
            sets = gaussian_sets(
                model(images, inputs, vertices, masks=masks, precision=how.precision)
            )
            samples = [slice(b, b + 1) for b in range(batch)] if loop else [slice(batch)]
            shown = [slice(v, v + 1) for v in range(count)] if loop else [slice(count)]
            loss = torch.stack(
                [
                    hgm_loss(
                        {name: g[b] for name, g in sets.items()},
                        rgb[b, v],
                        mask[b, v],
                        seen[b, v],
                        Loss(),
                        perceptual=None,
                    )[0]
                    for b in samples
                    for v in shown
                ]
            ).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return loss.item()

        size = scene.config.input_size
        body = scene.config.vertices
        drawn = sum(
            splatting_bytes(batch, n, count, size, backward=True)
            for n in (scene.config.gaussians,) * 2 + (body,)
        )
        weights = sum(p.numel() * p.element_size() for p in parameters)
        return Work(
            run,
            drawn + ADAM_PASSES * weights,
            batch,
            compile=_compiling(how, [model]),
            counted=_in_torch(model, run),
        )

    return [
        Way(str(settings.networks), lambda: make(settings.networks, False)),
        Way("eager fp32, a view at a time", lambda: make(PLAIN, True)),
    ]


def photo_ways(settings: Settings, scene: Scene) -> list[Way]:
    """One photo and a body to Gaussians: coarse, back view with diffusion, fusion. Loading the
    models is not timed."""

    def make(how: Networks) -> Work:
        coarse, fusion = (
            _model(settings, how, views).eval().requires_grad_(False) for views in (1, 2)
        )
        size = scene.config.input_size
        refiner = make_refiner(settings.sizes.base, settings.base, size, settings.device)
        stages = Reconstructor(
            coarse,
            fusion,
            refiner,
            size=size,
            back_view=settings.sizes.back_view,
            device=settings.device,
            precision=how.precision,
        )
        image, mask = (x[scene.views.front] for x in (scene.pictures.rgb, scene.pictures.alpha))

        def run() -> Reconstruction:
            return stages.reconstruct(image, mask, scene.vertices, VARIANTS["full"], scene.views)

        return Work(
            run,
            splatting_bytes(1, scene.config.gaussians, 1, size),
            compile=_compiling(how, [coarse, fusion, refiner]),
            counted=_in_torch(fusion, _in_torch(coarse, run)),
        )

    return _with_plain(settings, make)


def _with_plain(settings: Settings, make: Callable[[Networks], Work]) -> list[Way]:
    """The networks as the settings say, then eager, in float32, in torch's default memory
    layout."""

    def plain() -> Work:
        if settings.networks == PLAIN:
            raise InputError("the same as the row above; ask for bf16 or compile")
        return make(PLAIN)

    return [Way(str(settings.networks), lambda: make(settings.networks)), Way("eager fp32", plain)]


def _model(settings: Settings, how: Networks, views: int) -> HGM:
    torch.manual_seed(0)
    return HGM(settings.sizes.network(views, channels_last=how.channels_last)).to(settings.device)


def _compiling(how: Networks, owners: Sequence[HGM | BackViewRefiner]) -> Callable[[], None] | None:
    def run() -> None:
        for owner in owners:
            owner.compile_networks()

    return run if how.compile else None


def _in_torch(model: HGM, run: Callable[[], object]) -> Callable[[], object]:
    """The same run with sparse convolutions in torch, where FLOPs can be counted."""
    pyramid = model.volume.pyramid

    def counted() -> object:
        backend = pyramid.backend
        pyramid.backend = "torch"
        try:
            return run()
        finally:
            pyramid.backend = backend

    return counted


def _expand(cameras: Cameras, batch: int) -> Cameras:
    """Cameras [V] -> [batch, V]."""
    return Cameras(
        cameras.K.expand(batch, -1, -1, -1),
        cameras.world_to_camera.expand(batch, -1, -1, -1),
        cameras.width,
        cameras.height,
    )
