"""The two ways in which HGM's image numbers can be meant, side by side, for one subject (spec
section 8.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import torch
from torch import Tensor

from hgm.images.viewpoints import Viewpoints
from hgm.metrics.images import crop, ms_ssim, ms_ssim_scales, person_box, psnr, ssim
from hgm.metrics.lpips import LPIPS


class ImageErrors(TypedDict):
    """None = not available (its weights are absent, or images are equal and PSNR is infinite)."""

    psnr: float | None
    ssim: float | None
    ms_ssim: float | None
    lpips: float | None


class Definitions(TypedDict):
    """standard: SSIM with range 1, LPIPS on [-1, 1], full frame. released_code: what the released
    evaluation computes under the same names: MS-SSIM with range 2.0 as `ssim`, LPIPS on [0, 1].
    person_box: standard on the box around the person, so that white background does not count; None
    without a mask. ms_ssim_scales: 5 unless the images are small.
    """

    standard: ImageErrors
    released_code: ImageErrors
    person_box: ImageErrors | None
    ms_ssim_scales: int


def _number(value: Tensor) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None


@torch.no_grad()
def image_errors(
    prediction: Tensor,
    target: Tensor,
    lpips: LPIPS | None,
    *,
    mask: Tensor | None = None,
) -> Definitions:
    """All definitions for V views of one subject: prediction, target [V, 3, H, W] in [0, 1] over
    white, mask [V, 1, H, W].

    PSNR pools the squared error over the V views; the others are means over views. Predictions are
    clamped to [0, 1].
    """
    prediction = prediction.clamp(0, 1).float()
    target = target.float()

    def perceptual(p: Tensor, t: Tensor, signed: bool) -> float | None:
        return None if lpips is None else _number(lpips(p, t, signed=signed).mean())

    def plain(p: Tensor, t: Tensor) -> ImageErrors:
        return {
            "psnr": _number(psnr(p, t)),
            "ssim": _number(ssim(p, t).mean()),
            "ms_ssim": _number(ms_ssim(p, t).mean()),
            "lpips": perceptual(p, t, True),
        }

    wide = _number(ms_ssim(prediction, target, data_range=2.0).mean())
    boxed: ImageErrors | None = None
    if mask is not None:
        box = person_box(mask)
        if min(box[1] - box[0], box[3] - box[2]) >= 32:  # below that VGG has no pixel left
            boxed = plain(crop(prediction, box), crop(target, box))
    return {
        "standard": plain(prediction, target),
        "released_code": {
            "psnr": _number(psnr(prediction, target)),
            "ssim": wide,
            "ms_ssim": wide,
            "lpips": perceptual(prediction, target, False),
        },
        "person_box": boxed,
        "ms_ssim_scales": ms_ssim_scales(*prediction.shape[-2:]),
    }


def view_errors(
    prediction: Tensor,
    target: Tensor,
    views: Viewpoints,
    lpips: LPIPS | None,
    *,
    mask: Tensor | None = None,
) -> Definitions:
    """`image_errors` of the measured views, picked from all of them [V, 3, H, W]."""
    return _picked(prediction, target, views, lpips, mask, list(views.measured))


def back_errors(
    prediction: Tensor,
    target: Tensor,
    views: Viewpoints,
    lpips: LPIPS | None,
    *,
    mask: Tensor | None = None,
) -> Definitions:
    """`image_errors` of the back view alone, picked from all of them."""
    return _picked(prediction, target, views, lpips, mask, [views.back])


def _picked(
    prediction: Tensor,
    target: Tensor,
    views: Viewpoints,
    lpips: LPIPS | None,
    mask: Tensor | None,
    index: list[int],
) -> Definitions:
    if len(prediction) != len(views) or prediction.shape != target.shape:
        raise ValueError(
            f"two equal [{len(views)}, 3, H, W] are needed, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}"
        )
    return image_errors(
        prediction[index], target[index], lpips, mask=None if mask is None else mask[index]
    )


def subject_record(
    system: str, subject: str, variant: str, *, standin: bool, images: Mapping[str, Any]
) -> dict[str, Any]:
    """How metrics.json of a subject begins in every system; each adds what is its own. images: the
    definitions' numbers by which pictures were compared."""
    return {
        "system": system,
        "subject": subject,
        "variant": variant,
        "standin": standin,
        "images": dict(images),
    }
