"""A disparity beside the true one: by numbers and as a picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hgm.errors import InputError
from hgm.systems.posegaussian.batches import StereoBatch

WITHIN = (1, 3)  # pixels


def disparity_errors(flow: Tensor, truth: Tensor, valid: Tensor) -> dict[str, float | None]:
    """`epe`, the mean distance in pixels between two flows of one shape, and the shares of pixels
    that are `under_1` and `under_3` pixels off, where `valid`; None where no pixel is."""
    off = (flow - truth).detach().abs()[valid]
    if not len(off):
        return {"epe": None, **{f"under_{n}": None for n in WITHIN}}
    shares = {f"under_{n}": float((off < n).double().mean()) for n in WITHIN}
    return {"epe": float(off.double().mean()), **shares}


def true_inverse_depth(batch: StereoBatch) -> Tensor:
    """[2B, 1, S, S] in 1/m, 0 where it is not known; it is known at the person's edge as well,
    where a flow is not measured. Raises InputError where none is known."""
    if batch.flow is None:
        raise InputError("the depth of this pair is not known; expected a pair with depth")
    return torch.where(batch.flow != 0, batch.inverse_depth(batch.flow), 0.0)


def disparity_range(inverse_depth: Tensor) -> tuple[float, float]:
    """The least and the largest inverse depth of a person [..., S, S], without the outermost
    hundredth on either side; 0 is no person."""
    values = inverse_depth[inverse_depth > 0]
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values.detach().cpu().double().numpy(), [0.01, 0.99])
    return float(low), float(high)


def disparity_picture(inverse_depth: Tensor, limits: tuple[float, float]) -> np.ndarray:
    """Inverse depth [S, S] as colors uint8 [S, S, 3] over black, near ones bright. It goes with
    disparity, so pictures of one range are pictures of disparity."""
    import cv2

    low, high = limits
    shade = (inverse_depth.detach().cpu() - low) / max(high - low, 1e-6)
    gray = (shade.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    colors = cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    colors[(inverse_depth <= 0).cpu().numpy()] = 0
    return np.asarray(colors, np.uint8)
