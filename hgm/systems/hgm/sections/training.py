"""The HGM networks and their two trainings: sections `network`, `loss`, `coarse`, `fusion`."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from hgm.core.settings import Section, described
from hgm.train.settings import Optimization


class Network(Section):
    """The networks, and how they are computed."""

    preset: Literal["tiny", "small", "medium", "paper"] = described(
        "paper", "widths of the networks, listed in hgm/systems/hgm/networks/config.py (paper)"
    )
    overrides: dict[str, JsonValue] = described({}, "fields of the preset to change, by name")
    precision: Literal["fp32", "bf16"] = described(
        "bf16", "autocast inside the networks; bf16 needs a GPU (not published)"
    )
    compile: bool = described(
        False, "compile the networks (torch.compile); the first step takes minutes"
    )
    sparse_backend: Literal["auto", "torch", "spconv"] = described(
        "auto", "backend of sparse convolution; auto: spconv on a GPU where it works, else torch"
    )


class Loss(Section):
    """Weights of the terms of the training loss."""

    rgb: float = described(1.0, "weight of the squared color error (paper eq. 6)", ge=0)
    mask: float = described(1.0, "weight of the squared mask error (paper eq. 6)", ge=0)
    lpips: float = described(
        1.0,
        "weight of LPIPS (paper eq. 6); used only where weights.vgg16 and weights.lpips are given",
        ge=0,
    )
    structure: float = described(
        0.1, "weight of 1 - SSIM, which replaces LPIPS where its weights are not given (ours)", ge=0
    )


class HGMTraining(Optimization):
    """One training of HGM."""

    steps: int = described(37_500, "optimizer steps (release)", ge=1)
    lr: float = described(4e-4, "peak learning rate (release)", gt=0)
    weight_decay: float = described(0.05, "AdamW weight decay (release)", ge=0)
    clip: float = described(1.0, "largest gradient norm (release)", gt=0)
    accumulate: int = described(4, "micro-batches in a step, shared by the GPUs (paper)", ge=1)
    batch: int = described(1, "scans in a micro-batch (paper)", ge=1)
    gpus: int = described(
        1, "processes that share a step's micro-batches, each on a GPU of its own", ge=1
    )
    warmup: float = described(
        0.02, "share of the steps with a rising learning rate (release)", gt=0, lt=1
    )
    supervised: int = described(
        12, "views of a scan that renders are compared with (paper); at most all that it has", ge=1
    )
    turn: bool = described(
        False,
        "draw a random view as the front, which multiplies the data by the number of views "
        "(release: off)",
    )
    body_error: float = described(
        0.0,
        "millimeters by which the bodies of a training are off on average, as estimated ones are; "
        "0: the true ones (paper)",
        ge=0,
    )
    validate_every: int = described(1000, "steps between validations", ge=1)


class Coarse(HGMTraining):
    """The one-view HGM."""

    early: float = described(
        0.3,
        "share of the steps after which the model is saved that renders the pairs, unconverged "
        "on purpose (not published)",
        gt=0,
        le=1,
    )
    lgm: str | None = described(
        None,
        "file of LGM's published big checkpoint to start the U-Net from (docs/weights.md); needs "
        "preset paper",
    )


class Fusion(HGMTraining):
    """The two-view HGM."""

    warm_start: bool = described(
        False,
        "start from the coarse weights, where init names none; off: from random ones (paper)",
    )
    back_share: float = described(
        0.0,
        "share of samples whose back view is an unconverged render; others: the true one (paper)",
        ge=0,
        le=1,
    )
    distortion: float = described(
        0.5, "probability of the grid distortion of the back view (release)", ge=0, le=1
    )
    jitter: float = described(
        0.5, "probability of the camera jitter of the back view (release)", ge=0, le=1
    )
    lgm: str | None = described(
        None,
        "file of LGM's published big checkpoint to start the U-Net from; needs preset paper and "
        "warm_start: false",
    )
