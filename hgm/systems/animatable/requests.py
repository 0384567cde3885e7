"""The host memory that a job requests, from the configuration and the number of cameras. Without
torch, since every start of Snakemake imports it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hgm.systems.animatable.sizes import Sizes

Config = Mapping[str, Any]

ON_DEVICE = ("pretrain", "avatar", "animate", "avatar_evaluate")
MB = 1e6
MARGIN = 1.25
STEP = 500  # requests are multiples of STEP megabytes
# megabytes of a process with its libraries; CUDA: what its context and libraries add
PROCESS = 800
CUDA = 2500
BODY = 900  # megabytes of the body model, and of a few posed bodies
RENDERER = 1800  # of a job with Blender, an actor and its texture
FLOAT = 4  # bytes
TRAINED = 4  # numbers of a parameter: itself, its gradient, two moments
PIXEL = 1500  # bytes of a pixel that is splatted, with SSIM's windows and their gradients
CROP = 1700  # bytes of a pixel that the trunk of LPIPS sees, which may be on the host
POINT = 900  # bytes of a Gaussian: weights of 55 joints, transforms, splats and their gradients
FORWARD = 0.3  # share of what a training keeps that a forward pass alone holds
PICTURE = 12  # bytes of a pixel of a picture that is decoded and checked


def memory_mb(config: Config, rule: str, cameras: int) -> int:
    """Megabytes of host memory that a job requests at its first attempt."""
    needed = float(PROCESS) + (CUDA if rule in ON_DEVICE and config["device"] != "cpu" else 0)
    sizes = Sizes.of(config)
    weights = FLOAT * sizes.parameters() / MB
    kept = FLOAT * sizes.activations() / MB
    match rule:
        case "capture":
            needed += RENDERER + (config["standin"]["texture"] ** 2 * 32) / MB
        case "capture_check":
            needed += BODY + cameras * PICTURE * _pixels(config)
        case "template":
            needed += BODY + 12 * FLOAT * config["template"]["grid"] ** 3 / MB
        case "position_maps":
            needed += BODY + 2 * config["maps"]["size"] ** 2 * 250 / MB
        case "pretrain":
            needed += TRAINED * weights + kept
        case "avatar":
            splats = sizes.points * POINT / MB + _pixels(config) * PIXEL
            crop = CROP * config["avatar"]["patch"] ** 2 / MB * _has_lpips(config)
            needed += BODY + TRAINED * weights + kept + splats + crop
        case "animate" | "avatar_evaluate":
            film = config["animate"]["size"] ** 2 / MB
            pixels = film if rule == "animate" else _pixels(config)
            splats = sizes.points * POINT / MB + pixels * PIXEL
            trunk = CROP * _pixels(config) * _has_lpips(config) * (rule == "avatar_evaluate")
            needed += BODY + weights + FORWARD * kept + splats + trunk
    return STEP * math.ceil(MARGIN * needed / STEP)


def _pixels(config: Config) -> float:
    """Millions of pixels of a picture; a user's are taken to be as large as AvatarReX's unless the
    section of stand-ins says otherwise."""
    return float(config["standin"]["width"] * config["standin"]["height"]) / MB


def _has_lpips(config: Config) -> bool:
    return config["weights"]["lpips"] is not None and config["weights"]["vgg16"] is not None
