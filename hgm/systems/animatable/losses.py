"""What an avatar is trained by: pictures that agree where it is certain what they show, and
Gaussians that stay near the body."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.metrics.images import person_box, ssim_map
from hgm.metrics.lpips import LPIPS
from hgm.systems.animatable.settings import Avatar

# of a mask's bytes: outside these a pixel is surely nobody's, or surely the person's
SOFT = (5, 250)
PERSON = 127  # above which the person is


class Target(NamedTuple):
    """A picture to be met, over a background that it did not have."""

    picture: Tensor  # [3, H, W] in 0-1
    person: Tensor  # [1, H, W] bool
    unsure: Tensor  # [1, H, W] bool: here every picture shows the background
    background: Tensor  # [3]

    @classmethod
    def of(cls, rgb: Tensor, alpha: Tensor, background: Tensor, ring: int) -> Target:
        """From rgb [3, H, W] and alpha [1, H, W], both uint8. Not to be met is what a mask says
        softly, and what lies between the person eroded and dilated by squares of `ring` pixels."""
        person = alpha > PERSON
        whole = person.float()[None]
        dilated = F.max_pool2d(whole, ring, 1, ring // 2)[0]
        eroded = -F.max_pool2d(-whole, ring, 1, ring // 2)[0]
        unsure = (dilated > eroded) | ((alpha > SOFT[0]) & (alpha < SOFT[1]))
        back = background[:, None, None]
        picture = torch.where(person & ~unsure, rgb.float() / 255, back)
        return cls(picture, person, unsure, background)

    def comparable(self, picture: Tensor) -> Tensor:
        """A rendered picture [3, H, W] with the background where nobody knows what is to be
        seen."""
        return torch.where(self.unsure, self.background[:, None, None], picture)


class Crop(NamedTuple):
    """A square of a picture, in pixels; it may reach beyond it."""

    top: int
    left: int
    side: int

    @classmethod
    def of(cls, person: Tensor, patch: int, generator: torch.Generator | None) -> Crop:
        """The square around a person [1, H, W]; with a generator, and where that square is larger
        than `patch`, a random part of it of that size."""
        top, bottom, left, right = person_box(person)
        side = max(bottom - top, right - left)
        top, left = (top + bottom - side) // 2, (left + right - side) // 2
        room = side - patch
        if generator is None or room <= 0:
            return cls(top, left, side)
        down, along = torch.randint(room + 1, (2,), generator=generator).tolist()
        return cls(top + down, left + along, patch)

    def cut(self, picture: Tensor, background: Tensor, patch: int) -> Tensor:
        """This part [3, patch, patch] of a picture [3, H, W], beyond which is the background."""
        height, width = picture.shape[-2:]
        rows = slice(max(self.top, 0), min(self.top + self.side, height))
        columns = slice(max(self.left, 0), min(self.left + self.side, width))
        beyond = (
            columns.start - self.left,
            self.left + self.side - columns.stop,
            rows.start - self.top,
            self.top + self.side - rows.stop,
        )
        back = background[:, None, None]
        part = F.pad(picture[:, rows, columns] - back, beyond) + back
        if self.side == patch:
            return part
        size = (patch, patch)
        return F.interpolate(part[None], size, mode="bilinear", antialias=True)[0]


def picture_loss(
    picture: Tensor,
    alpha: Tensor,
    target: Target,
    crop: Crop,
    settings: Avatar,
    lpips: LPIPS | None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of what a picture [3, H, W] and its coverage [1, H, W] miss, and the parts
    to log. Without LPIPS, structural similarity stands in its place."""
    shown = target.comparable(picture)
    parts = {"l1": (shown - target.picture).abs().mean()}
    total = settings.l1 * parts["l1"]
    if settings.lpips > 0:
        found, wanted = (
            crop.cut(x, target.background, settings.patch)[None] for x in (shown, target.picture)
        )
        if lpips is None:
            parts["ssim"] = 1 - ssim_map(found, wanted).mean()
        else:
            parts["lpips"] = lpips(found, wanted).mean()
        total = total + settings.lpips * parts["ssim" if lpips is None else "lpips"]
    if settings.mask > 0:
        missed = (alpha - target.person.float()).abs() * ~target.unsure
        parts["mask"] = missed.mean()
        total = total + settings.mask * parts["mask"]
    return total, parts


def offset_loss(offsets: Tensor) -> Tensor:
    """The mean distance of Gaussians from their canonical places, by offsets [..., 3] in meters."""
    return offsets.norm(dim=-1).mean()


def psnr_in_box(picture: Tensor, target: Target) -> float:
    """The PSNR in dB of a picture [3, H, W] within the person's box."""
    top, bottom, left, right = person_box(target.person)
    error = (target.comparable(picture).clamp(0, 1) - target.picture)[:, top:bottom, left:right]
    return -10 * math.log10(max(float(error.square().mean()), 1e-10))
