"""`render`: pictures, coverage and depth of Gaussians, by whichever backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.splat.backends import ON_CUDA, rasterizer, resolve_backend
from hgm.splat.constants import NEAR


class Rendering(NamedTuple):
    """C views of each scene. Gradients flow from all three."""

    rgb: Tensor  # [..., C, 3, H, W], composited over the background
    alpha: Tensor  # [..., C, 1, H, W], 1 - transmittance
    # [..., C, 1, H, W], expected planar depth sum(w z) / sum(w) in world units, 0 where alpha is 0
    depth: Tensor


def render(
    gaussians: Gaussians,
    cameras: Cameras,
    *,
    backend: str = "auto",
    background: Sequence[float] | Tensor = (1.0, 1.0, 1.0),
    near: float = NEAR,
    antialiased: bool = False,
) -> Rendering:
    """Splat every set of Gaussians into every camera (Kerbl et al. 2023, 3D Gaussian Splatting).

    gaussians [..., N]: world frame, opacities in [0, 1], quaternions wxyz of any length but 0.
    cameras [..., C]: OpenCV axes, pixel centers at +0.5, no skew. The leading dimensions broadcast:
    one rig [C] serves all scenes, one scene all rigs. background: three numbers. near: planar depth
    in world units below which a Gaussian is not drawn. antialiased: see below.

    Each covariance gets 0.3 pixels^2 in x and y; alpha = min(0.99, opacity exp(-power)); a Gaussian
    with alpha under 1/255 leaves the pixel alone; a pixel is finished when its transmittance would
    fall to 1e-4; front to back by planar depth of the mean, then by index. A Gaussian with a number
    that is not finite is not drawn and gets zero gradient.

    Those 0.3 pixels^2 make small Gaussians larger and with that more opaque than they are, the more
    so the smaller the picture. `antialiased` multiplies each opacity by sqrt(det(covariance) /
    det(covariance + 0.3 I)), which keeps what a Gaussian hides in all (Yu et al. 2024,
    Mip-Splatting; gsplat's `antialiased`). A picture is true in the mode that its Gaussians were
    fitted in.

    Gradients go to every parameter of the Gaussians and, where they require any, to the cameras:
    to the upper three rows of world_to_camera on every backend, each number for itself (a rotation
    is kept one by whoever parametrizes it), and to focal lengths and principal points in K on the
    backends torch and numba. None go to the background. All is computed in
    float32, also under autocast; only the torch backend keeps float64. `backend`: see
    `resolve_backend`; the CUDA ones differ a little, see their modules. Raises InputError or
    MissingDependency for an unusable backend, InputError for a K that requires gradients which the
    backend does not give, ValueError for shapes that do not fit.
    """
    name = resolve_backend(backend, gaussians.means.device)
    if cameras.K.ndim < 3:
        raise ValueError(
            f"cameras must be [..., C], got shape {tuple(cameras.shape)}; index with [None]"
        )
    if cameras.K.device != gaussians.means.device:
        raise ValueError(
            f"cameras are on {cameras.K.device}, Gaussians on {gaussians.means.device}"
        )
    if cameras.K.requires_grad and name in ON_CUDA:
        raise InputError(
            f"cameras: the splatting backend {name} gives no gradients to K; detach it or use "
            "backend torch"
        )
    if not near > 0:
        raise ValueError(f"near must be positive, got {near}")
    dtype = (
        torch.float64
        if name == "torch" and gaussians.means.dtype == torch.float64
        else torch.float32
    )
    gaussians = gaussians.to(dtype)
    cameras = cameras.to(dtype)
    back = torch.as_tensor(background, dtype=dtype, device=gaussians.means.device)
    if back.shape != (3,) or back.requires_grad:
        raise ValueError(
            f"background must be three numbers without gradient, got shape {tuple(back.shape)}"
        )

    lead = torch.Size(np.broadcast_shapes(gaussians.shape[:-1], cameras.shape[:-1]))
    gaussians = Gaussians(
        *(
            _flat(x, gaussians.means.ndim - 2, lead)
            for x in (
                # [S, N]
                gaussians.means,
                gaussians.opacities,
                gaussians.scales,
                gaussians.quats,
                gaussians.colors,
            )
        )
    )
    # [S, C]
    cameras = Cameras(
        _flat(cameras.K, cameras.K.ndim - 3, lead),
        _flat(cameras.world_to_camera, cameras.K.ndim - 3, lead),
        cameras.width,
        cameras.height,
    )
    with torch.autocast(back.device.type, enabled=False):
        images = rasterizer(name)(gaussians, cameras, back, near, antialiased)
    return Rendering(*(x.unflatten(0, lead) if lead else x[0] for x in images))


def _flat(x: Tensor, leading: int, lead: torch.Size) -> Tensor:
    """[*own, ...] with `leading` own batch dimensions -> [prod(lead), ...]."""
    if leading == 1 and x.shape[:1] == lead:
        return x
    return x.expand(*lead, *x.shape[leading:]).reshape(lead.numel(), *x.shape[leading:])
