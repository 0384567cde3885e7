"""What a network has to be better than, and what its depth could be at best."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hgm.gaussians import Gaussians
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.disparity import true_inverse_depth
from hgm.systems.posegaussian.points import points_of


def copy_nearest(photos: Tensor, ratio: float, size: int) -> Tensor:
    """The photo [3, size, size] of the nearer camera, of two [2, 3, S, S], the left one at ratio
    0."""
    photo = photos[0 if ratio <= 0.5 else 1]
    larger = F.interpolate(photo[None], (size, size), mode="bilinear", align_corners=False)
    return larger[0]


def oracle(batch: StereoBatch) -> list[Gaussians]:
    """Round Gaussians [N] of each of the B pairs at the true depth of their pixels: what depth
    alone can do. Raises InputError for pairs whose depth is not known."""
    return points_of(batch, true_inverse_depth(batch))
