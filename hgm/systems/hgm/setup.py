"""The settings of the training stages, made from the plain sections of the configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.metrics.lpips import PerceptualLoss, load_lpips
from hgm.systems.hgm.losses import Perceptual
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.sections.training import Coarse, Fusion, Loss, Network
from hgm.systems.hgm.training import Training

Section = Mapping[str, Any]
LPIPS_SIZE = 256  # images are resized to it before LPIPS in training (release)


def network(section: Network, size: int, *, views: int, body: bool) -> HGMConfig:
    """The config of the networks of a preset, for images of `size` pixels. Raises InputError for an
    unknown field in the overrides."""
    changes = {"input_size": size, "use_body": body, **section.overrides}
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
    }[section.preset]
    return preset(views=views, **changes)


def training(
    section: Coarse | Fusion,
    params: Section,
    scans: list[Path],
    validation: list[Path],
    *,
    device: str,
    pairs: Path | None = None,
) -> Training:
    """The settings and data of a training, from the parameters of its job."""
    return Training(
        section,
        scans,
        validation,
        size=params["rendering"]["size"],
        network=Network(**params["network"]),
        loss=Loss(**params["loss"]),
        pairs=pairs,
        seed=params["seed"],
        device=device,
        backend=params["splat"],
    )


def perceptual_loss(weights: Section, device: str) -> Perceptual | None:
    """LPIPS as a training loss where its weights are given, else None."""
    lpips = load_lpips(weights["vgg16"], weights["lpips"], resize=LPIPS_SIZE)
    return None if lpips is None else PerceptualLoss(lpips.to(device).requires_grad_(False))
