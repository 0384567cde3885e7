"""The pairs that are matched: a wall with a picture, as much of the view as a person takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from hgm.cameras import Cameras
from hgm.systems.posegaussian.bench.settings import Settings
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.samples import Sample

DISTANCE = 2.0  # meters to the wall
BASELINE = 0.78  # between the cameras, of 22.5 degrees
SHARE = (0.72, 0.18)  # of the picture's height and width that the wall takes


@dataclass(frozen=True)
class Scene:
    """Pairs that all look alike."""

    settings: Settings
    pair: RectifiedPair

    @classmethod
    def of(cls, settings: Settings) -> Scene:
        return cls(settings, wall(settings.config.pairs.size, settings.config.pairs.focal))

    def sample(self, pairs: int) -> Sample:
        """So many pairs with a view between each."""
        seen = torch.from_numpy(self.pair.images[0]).movedim(-1, 0)[None].float() / 255
        picture = F.interpolate(seen, scale_factor=2.0)[0]
        return Sample(
            [self.pair] * pairs, (), [picture] * pairs, [self.between for _ in range(pairs)]
        )

    @property
    def between(self) -> Cameras:
        """The camera [1] halfway, of twice the size."""
        camera = self.pair.cameras[:1]
        w2c = camera.world_to_camera.clone()
        w2c[:, 0, 3] = -BASELINE / 2
        K = camera.K.clone()
        K[:, 0, 2] = self.pair.size / 2
        return Cameras(K, w2c, self.pair.size, self.pair.size).resized(2 * self.pair.size)


def wall(size: int, focal: float) -> RectifiedPair:
    """A wall before both cameras, whose principal points put it into the middle of each view."""
    pixels = focal * size
    shift = -pixels * BASELINE
    away = shift / DISTANCE / 2
    K = np.zeros((2, 3, 3))
    K[:, :2, :2] = pixels * np.eye(2)
    K[:, :2, 2] = size / 2
    K[:, 0, 2] += away, -away
    K[:, 2, 2] = 1
    w2c = np.repeat(np.eye(4)[None], 2, 0)
    w2c[1, 0, 3] = -BASELINE
    mask = np.zeros((2, size, size), np.uint8)
    rows, columns = (slice(round((1 - s) / 2 * size), round((1 + s) / 2 * size)) for s in SHARE)
    mask[:, rows, columns] = 255
    picture = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    images = np.where(mask[..., None] > 0, picture, 0)
    heat = np.repeat(picture, 2, 0)
    valid = mask > 0
    flow = np.zeros((2, size, size), np.float16)
    return RectifiedPair(images, mask, K, w2c, K, w2c, shift, heat, flow, valid)
