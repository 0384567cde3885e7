"""Joint errors of a body estimate in millimeters (paper Table 6)."""

from __future__ import annotations

import torch
from torch import Tensor

BODY_JOINTS = 22  # pelvis … wrists of SMPL-X


def _cut(prediction: Tensor, target: Tensor, count: int) -> tuple[Tensor, Tensor]:
    if (
        prediction.shape != target.shape
        or prediction.shape[-1] != 3
        or prediction.shape[-2] < count
    ):
        found = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ValueError(f"joints must be two equal [..., J >= {count}, 3], got {found}")
    return prediction[..., :count, :].double(), target[..., :count, :].double()


def mpjpe(prediction: Tensor, target: Tensor, *, count: int = BODY_JOINTS) -> Tensor:
    """Mean distance in mm of the first `count` joints after both pelvises (joint 0) are put on the
    origin.

    prediction, target: [..., J, 3] in meters -> [...] float64. Orientation and scale are left as
    they are.
    """
    p, t = _cut(prediction, target, count)
    return 1000 * ((p - p[..., :1, :]) - (t - t[..., :1, :])).norm(dim=-1).mean(-1)


def procrustes(prediction: Tensor, target: Tensor) -> Tensor:
    """`prediction` [..., J, 3] after the similarity (rotation, scale, shift; no mirror) that brings
    it closest to `target`.
    """
    mean_p = prediction.mean(-2, keepdim=True)
    mean_t = target.mean(-2, keepdim=True)
    p = prediction - mean_p
    t = target - mean_t
    u, s, vh = torch.linalg.svd(p.mT @ t)
    sign = torch.ones_like(s)
    sign[..., -1] = torch.sign(torch.linalg.det(u @ vh))
    rotation = (u * sign[..., None, :]) @ vh  # row vectors: p @ rotation
    scale = (s * sign).sum(-1) / p.square().sum((-2, -1)).clamp(min=1e-300)
    return scale[..., None, None] * (p @ rotation) + mean_t


def pa_mpjpe(prediction: Tensor, target: Tensor, *, count: int = BODY_JOINTS) -> Tensor:
    """`mpjpe` in mm after a Procrustes alignment of the joints: [..., J, 3] in meters -> [...]."""
    p, t = _cut(prediction, target, count)
    return 1000 * (procrustes(p, t) - t).norm(dim=-1).mean(-1)
