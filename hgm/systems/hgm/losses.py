"""The loss of HGM (paper eq. 6): squared errors of color and mask and a perceptual term, over
three sets of Gaussians."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.metrics.images import ssim_map
from hgm.splat import render
from hgm.systems.hgm.sections.training import Loss

Perceptual = Callable[[Tensor, Tensor], Tensor]  # images [M, 3, H, W] in [0, 1] -> scalar


def structural(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of images [M, 3, H, W] in [0, 1]: used in place of LPIPS where the weights of LPIPS
    are not given."""
    return 1 - ssim_map(prediction, target).mean()


def hgm_loss(
    sets: Mapping[str, Gaussians],
    target_rgb: Tensor,
    target_mask: Tensor,
    cameras: Cameras,
    weights: Loss,
    *,
    perceptual: Perceptual | None,
    backend: str = "auto",
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of color, mask and perceptual errors of the renders of the named sets, each set
    with equal weight; also returns each error by name.

    sets: Gaussians [B, N]; target_rgb [B, T, 3, H, W] composited over white; target_mask [B, T, 1,
    H, W]; cameras [B, T]. Renders are not clamped, so that values above 1 have a gradient.
    """
    total = target_rgb.new_zeros(())
    numbers: dict[str, Tensor] = {}
    out = render(Gaussians.stack(list(sets.values())), cameras[None], backend=backend)
    for name, found, alpha in zip(sets, out.rgb, out.alpha, strict=True):
        rgb = (found - target_rgb).square().mean()
        mask = (alpha - target_mask).square().mean()
        if perceptual is not None:
            term = perceptual(found.flatten(0, 1), target_rgb.flatten(0, 1))
            weight = weights.lpips
        else:
            term = structural(found.flatten(0, 1), target_rgb.flatten(0, 1))
            weight = weights.structure
        total = total + weights.rgb * rgb + weights.mask * mask + weight * term
        numbers.update(
            {
                f"{name}_rgb": rgb.detach(),
                f"{name}_mask": mask.detach(),
                f"{name}_perceptual": term.detach(),
            }
        )
    return total, numbers
