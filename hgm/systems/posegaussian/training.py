"""Trains the network: disparity first, then disparity and maps of Gaussians by views that it is not
given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hgm.core.keys import derived_seed
from hgm.core.processes import Deadline, use_threads
from hgm.metrics.images import psnr
from hgm.splat import backend_for
from hgm.systems.posegaussian.losses import disparity_loss, end_point_error, picture_loss
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.pictures import pictures_of
from hgm.systems.posegaussian.samples import HALFWAY, HeatOf, Pairs, Sample, drawn, sample_of
from hgm.systems.posegaussian.settings import Depth, Maps
from hgm.train.loop import fit, write_history, write_record
from hgm.train.prefetch import LOADERS, Prefetch
from hgm.train.settings import Schedule

RELIEF = "lower pairs.size, set network.precision: bf16, or use a larger device"


@dataclass(frozen=True)
class Training:
    """A network to train, and what by."""

    design: Design
    pairs: Pairs
    validation: Pairs | None = None
    heat: HeatOf | None = None  # for the released target, which heat maps weight
    seed: int = 0
    device: str = "cpu"
    backend: str = "auto"


def train_depth(
    training: Training, settings: Depth, out: Path, state: Path, *, deadline: Deadline | None = None
) -> PoseGaussian:
    """Train and write a network of disparity alone (`PoseGaussian.save`), `history.tsv` and
    `training.json` (backends). Resumes from `state`.

    Raises InputError for pairs that do not fit the design or have no depth, and where the loss is
    not finite; SliceEnded at the deadline.
    """
    network = _network(training, "depth", maps=False)
    _train(network, training, "depth", settings, out, state, deadline)
    return network


def train_maps(
    training: Training,
    settings: Maps,
    depth: Path,
    out: Path,
    state: Path,
    *,
    deadline: Deadline | None = None,
) -> PoseGaussian:
    """Train and write the whole network as `train_depth` does; it starts from the network of
    disparity in the folder `depth`."""
    network = _network(training, "maps", maps=True)
    network.start_from(depth)
    _train(network, training, "maps", settings, out, state, deadline)
    return network


def _network(training: Training, stage: str, *, maps: bool) -> PoseGaussian:
    torch.manual_seed(derived_seed(training.seed, stage, "start"))
    network = PoseGaussian(dataclasses.replace(training.design, maps=maps))
    return network.to(training.device)


def step_loss(
    network: PoseGaussian, sample: Sample, settings: Depth | Maps, backend: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a step lowers, and its parts to log: the error of the disparity and, with `Maps`, that
    of the views between."""
    device = next(network.parameters()).device
    batch = sample.batch(device)
    assert batch.flow is not None and batch.valid is not None
    matching = network(batch)
    total = disparity_loss(matching.flows, batch.flow, batch.valid)
    parts = {"epe": end_point_error(matching.flows[-1].detach(), batch.flow, batch.valid)}
    if isinstance(settings, Maps):
        target, cameras = sample.novel(device)
        sets = network.gaussians(batch, network.maps(batch, matching))
        picture, more = picture_loss(pictures_of(sets, cameras, backend=backend), target, settings)
        total = settings.disparity * total + picture
        parts |= more
    return total, parts


@torch.no_grad()
def validation_errors(network: PoseGaussian, pairs: Pairs, backend: str) -> dict[str, float]:
    """Means over pairs: the error of the disparity in pixels and, where the network has maps, the
    PSNR of the view halfway, full picture."""
    device = next(network.parameters()).device
    errors: dict[str, list[float]] = {}
    for index in range(len(pairs)):
        views = [HALFWAY] if network.design.maps else []
        sample = sample_of(pairs, [index], views)
        batch = sample.batch(device)
        assert batch.flow is not None and batch.valid is not None
        matching = network(batch)
        error = end_point_error(matching.flows[-1], batch.flow, batch.valid)
        errors.setdefault("validation_epe", []).append(float(error))
        if network.design.maps:
            target, cameras = sample.novel(device)
            sets = network.gaussians(batch, network.maps(batch, matching))
            picture = pictures_of(sets, cameras, backend=backend).clamp(0, 1)
            errors.setdefault("validation_psnr", []).append(float(psnr(picture, target)))
    return {name: sum(values) / len(values) for name, values in errors.items()}


def _train(
    network: PoseGaussian,
    training: Training,
    stage: str,
    settings: Depth | Maps,
    out: Path,
    state: Path,
    deadline: Deadline | None,
) -> None:
    device = torch.device(training.device)
    if device.type == "cuda":
        use_threads(1)  # the job's other threads read ahead
    backend = backend_for(training.backend, device)
    pairs = training.pairs

    def sample(micro: int) -> Sample:
        indices, views = drawn(training.seed, stage, micro, settings.batch, len(pairs))
        return sample_of(pairs, indices, views if network.design.maps else (), training.heat)

    def loss(micro: int, _: torch.Generator, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        return step_loss(network, samples[micro][part], settings, backend)

    def validate(_: int) -> Mapping[str, float]:
        if training.validation is None:
            return {}
        return validation_errors(network, training.validation, backend)

    samples = Prefetch(sample, threads=LOADERS if device.type == "cuda" else 0)
    try:
        history = fit(
            network,
            loss,
            settings,
            stage=stage,
            seed=training.seed,
            state=state,
            schedule=Schedule(
                name="onecycle_linear", warmup=settings.warmup, horizon=settings.horizon
            ),
            batch=settings.batch,
            deadline=deadline,
            validate=validate,
            validate_every=settings.validate_every,
            backends={"splat": backend} if network.design.maps else {},
            relief=RELIEF,
        )
    finally:
        samples.close()
    network.requires_grad_(False).eval()
    network.save(out)
    write_record(out, state)
    write_history(out / "history.tsv", history)
