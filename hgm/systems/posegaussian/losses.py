"""What the network is trained by: true disparity, and pictures that nobody gave it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hgm.metrics.images import WINDOW, ssim_map
from hgm.systems.posegaussian.settings import Maps

DECAY = 0.9**15  # of the first refinement's weight against the last one's


def disparity_loss(flows: Sequence[Tensor], target: Tensor, valid: Tensor) -> Tensor:
    """The mean error of flows [2B, 1, S, S] in valid pixels, in pixels, summed over refinements:
    the later, the more they count (RAFT-Stereo, Lipson et al. 2021, equation 5)."""
    last = max(len(flows) - 1, 1)
    errors = [end_point_error(flow, target, valid) for flow in flows]
    weights = [DECAY ** ((len(flows) - 1 - i) / last) for i in range(len(flows))]
    return torch.stack([w * e for w, e in zip(weights, errors, strict=True)]).sum()


def end_point_error(flow: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The mean distance of flows [2B, 1, S, S] from true ones in valid pixels; 0 where there are
    none."""
    return ((flow - target).abs() * valid).sum() / valid.sum().clamp(min=1)


def picture_loss(
    pictures: Tensor, target: Tensor, settings: Maps
) -> tuple[Tensor, dict[str, Tensor]]:
    """L1 and SSIM of pictures [B, 3, H, W] in 0-1, weighted; and the parts to log.

    Both are means over the whole picture. Where neither picture shows anything the errors are 0, so
    only the box around the rest is looked at.
    """
    rows, columns = _shown(pictures, target)
    found, wanted = pictures[..., rows, columns], target[..., rows, columns]
    windows = pictures[..., WINDOW - 1 :, WINDOW - 1 :].numel()
    parts = {
        "l1": (found - wanted).abs().sum() / pictures.numel(),
        "ssim": (1 - ssim_map(found, wanted)).sum() / windows,
    }
    return settings.l1 * parts["l1"] + settings.ssim * parts["ssim"], parts


def _shown(pictures: Tensor, target: Tensor) -> tuple[slice, slice]:
    """The rows and columns of all windows of SSIM in which a picture is not black."""
    shown = ((pictures.detach() != 0) | (target != 0)).flatten(0, 1).any(0)
    found = []
    for line in (shown.any(1), shown.any(0)):
        places = line.nonzero()[:, 0].tolist() or [len(line) // 2]
        first = min(places[0], len(line) - WINDOW)
        found.append(slice(max(first - WINDOW + 1, 0), max(places[-1], first) + WINDOW))
    return found[0], found[1]
