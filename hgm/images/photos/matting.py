"""Mattings: ways to tell the people of a picture from the background. They are tried in order; one
that does not apply to a picture answers None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import ndimage

from hgm.images.photos.picture import PhotoPixels, read_mask

PLAIN = 0.75  # share of the border that has to be of one color; the person may cover the rest
TOLERANCE = 0.05  # of that color, largest difference of a channel
# difference from the background above which a pixel is no background; more where that is noisy
LIMIT = 0.03
# of the people's area: smaller holes of the background's color are theirs (eyes, buttons)
HOLE = 0.002
# color distance between person and background above which the mixture at their edge can be told
CONTRAST = 0.2


@dataclass(frozen=True)
class Matte:
    """People of one picture."""

    coverage: np.ndarray  # float32 [H, W] in [0, 1]
    source: str  # what told: goes into metrics.json
    # float32 [3], color of the background where it is one and known
    backdrop: np.ndarray | None = None
    notes: tuple[str, ...] = ()  # what the user should know

    def premultiplied(self, rgb: np.ndarray, coverage: np.ndarray) -> np.ndarray:
        """Light [..., 3] of the people alone, from pixels uint8 [..., 3] that are coverage [...]
        people and else backdrop.

        Where the backdrop is known its share is taken out, so that nothing of its color is left on
        the edge.
        """
        values = rgb.astype(np.float32) / 255
        share = coverage[..., None]
        if self.backdrop is None:
            return values * share
        return np.where(share > 0, np.clip(values - (1 - share) * self.backdrop, 0, share), 0)


class Matting(Protocol):
    """A way to tell people from background."""

    def matte(self, picture: PhotoPixels) -> Matte | None:
        """The people of a picture, None where this way does not apply. Raises InputError with what
        to do."""
        ...


@dataclass(frozen=True)
class MaskFile:
    """A mask that the user gives; transparent pixels stay background."""

    path: Path

    def matte(self, picture: PhotoPixels) -> Matte:
        coverage = read_mask(self.path, *picture.rgb.shape[:2])
        if picture.alpha is not None:
            coverage = coverage * (picture.alpha.astype(np.float32) / 255)
        return Matte(coverage, f"mask {self.path.name}")


class AlphaChannel:
    """A person cut out before."""

    def matte(self, picture: PhotoPixels) -> Matte | None:
        return (
            None
            if picture.alpha is None
            else Matte(picture.alpha.astype(np.float32) / 255, "alpha channel")
        )


class PlainBackground:
    """A background of one color, as it is found along the picture's border."""

    def matte(self, picture: PhotoPixels) -> Matte | None:
        rgb = picture.rgb
        width = max(1, min(rgb.shape[:2]) // 100)
        inner = np.ones(rgb.shape[:2], bool)
        inner[width:-width, width:-width] = False
        border = rgb[inner].astype(np.float32) / 255
        off = np.abs(border - np.median(border, 0)).max(-1)
        if (off < TOLERANCE).mean() < PLAIN:
            return None
        backdrop = border[off < TOLERANCE].mean(0)
        limit = max(LIMIT, 1.5 * float(np.quantile(off[off < TOLERANCE], 0.99)))
        core = np.zeros(rgb.shape[:2], bool)
        for channel in range(3):
            core |= np.abs(rgb[..., channel] - 255 * backdrop[channel]) > 255 * limit
        return Matte(_soft_edge(rgb, _without_holes(core), backdrop), "plain background", backdrop)


def _without_holes(core: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(~core)
    areas = np.bincount(labels.ravel())
    small = areas < HOLE * core.sum()
    small[0] = False
    return core | small[labels]


def _soft_edge(rgb: np.ndarray, core: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """Coverage [H, W] of people `core`: at their edge the share of their own color, which is that
    of the pixels within."""
    solid = ndimage.binary_erosion(core, iterations=2, border_value=1)
    edge = ndimage.binary_dilation(core) & ~solid
    weight = ndimage.uniform_filter(solid.astype(np.float32), 9)[edge]
    own = np.stack(
        [
            ndimage.uniform_filter(np.where(solid, rgb[..., c], 0).astype(np.float32), 9)[edge]
            for c in range(3)
        ],
        -1,
    )
    own = own / np.maximum(weight, 1e-6)[:, None] / 255 - backdrop
    seen = rgb[edge].astype(np.float32) / 255 - backdrop
    distance = np.square(own).sum(-1)
    share = np.clip((own * seen).sum(-1) / np.maximum(distance, 1e-6), 0, 1)
    known = (weight > 0.01) & (distance > CONTRAST**2)
    coverage = core.astype(np.float32)
    coverage[edge] = np.where(known, share, coverage[edge])
    return coverage


def find_people(picture: PhotoPixels, mattings: Sequence[Matting]) -> Matte | None:
    """The answer of the first way that applies."""
    return next(
        (matte for matting in mattings if (matte := matting.matte(picture)) is not None), None
    )
