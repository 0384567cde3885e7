"""The body in the frame that the networks see: pelvis at the origin, facing +z, in normalized
units."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters

STATURE = 1.8  # meters; every person is scaled to this height …
UNITS_PER_METER = 0.75  # … and then to normalized units


@dataclass(frozen=True)
class CanonicalBody:
    """Posed bodies in normalized units, global orientation removed, pelvis joint at the origin."""

    vertices: Tensor  # [..., 10475, 3]
    joints: Tensor  # [..., 55, 3]
    nu_per_metre: Tensor  # [...]


def stature(model: BodyModel, betas: Tensor) -> Tensor:
    """Height in meters [...] of the bodies of betas [..., S]: the y extent in the rest pose,
    without expression."""
    y = model.shaped(betas)[0][..., 1]
    return y.amax(-1) - y.amin(-1)


def canonical(model: BodyModel, params: BodyParameters) -> CanonicalBody:
    """The bodies of `params` in the canonical frame; `global_orient` is ignored. Differentiable."""
    body = model(params.replace(global_orient=torch.zeros_like(params.global_orient)))
    pelvis = body.joints[..., :1, :]
    scale = (UNITS_PER_METER * STATURE / stature(model, params.betas)).expand(params.shape)
    factor = scale[..., None, None]
    return CanonicalBody((body.vertices - pelvis) * factor, (body.joints - pelvis) * factor, scale)
