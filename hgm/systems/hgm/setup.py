"""From the configuration's plain sections to the settings of the training stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.metrics.lpips import PerceptualLoss, load_lpips
from hgm.systems.hgm.data import Sampling
from hgm.systems.hgm.losses import LossWeights, Perceptual
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.training import BackViews, Training
from hgm.train.loop import Optimization

Section = Mapping[str, Any]
LPIPS_SIZE = 256  # images are resized to it before LPIPS in training (spec section 4.1)


def network(section: Section, size: int, *, views: int, body: bool) -> HGMConfig:
    """The networks of a preset for images of `size` pixels. Raises InputError for an unknown field
    in the overrides."""
    changes = {"input_size": size, "use_body": body, **section["overrides"]}
    known = {f.name for f in dataclasses.fields(HGMConfig)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise InputError(
            f"network.overrides.{unknown[0]}: unknown field; expected one of "
            f"{', '.join(sorted(known))}"
        )
    preset = {
        "tiny": HGMConfig.tiny,
        "small": HGMConfig.small,
        "medium": HGMConfig.medium,
        "paper": HGMConfig.paper,
    }[section["preset"]]
    return preset(views=views, **changes)


def optimization(section: Section) -> Optimization:
    names = ("steps", "lr", "warmup", "weight_decay", "clip", "accumulate", "ema")
    return Optimization(**{name: section[name] for name in names})


def training(
    params: Section,
    stage: str,
    scans: list[Path],
    validation: list[Path],
    *,
    device: str,
    pairs: Path | None = None,
) -> Training:
    """Section `stage` (coarse or fusion) of the configuration with what it shares with the
    others."""
    section = params[stage]
    size = params["rendering"]["size"]
    fusion = stage == "fusion"
    back = (
        BackViews(pairs, section["back_share"], section["distortion"], section["jitter"])
        if fusion
        else BackViews()
    )
    return Training(
        stage=stage,
        scans=scans,
        validation=validation,
        optimization=optimization(section),
        sampling=Sampling(
            batch=section["batch"],
            inputs=("front", "back") if fusion else ("front",),
            size=size,
            render_size=size,
            supervised=section["supervised"],
            turn=section["turn"],
        ),
        loss=LossWeights(**params["loss"]),
        back_views=back,
        validate_every=section["validate_every"],
        early=section.get("early", 0.0),
        seed=params["seed"],
        device=device,
        backend=params["splat"],
        sparse_backend=params["network"]["sparse_backend"],
        precision=params["network"]["precision"],
        gpus=section["gpus"],
        compile=params["network"]["compile"],
    )


def perceptual_loss(weights: Section, device: str) -> Perceptual | None:
    """LPIPS as a training loss where its weights are given, else None."""
    lpips = load_lpips(weights["vgg16"], weights["lpips"], resize=LPIPS_SIZE)
    return None if lpips is None else PerceptualLoss(lpips.to(device).requires_grad_(False))
