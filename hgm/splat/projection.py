"""From Gaussians in the world to ellipses in pixels: EWA projection in plain torch, for all scenes
and cameras at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians, rotation_matrices
from hgm.splat.constants import ALPHA_MIN, BLUR, LARGEST, MARGIN, SHORTEST, SLACK


class Splats(NamedTuple):
    """Projected Gaussians. A radius of 0 marks one that is not drawn; its other numbers are finite
    and mean nothing."""

    means: Tensor  # [S, C, N, 2] pixels, centers at +0.5
    conics: Tensor  # [S, C, N, 3] inverse covariance: xx, xy, yy, in 1 / pixels^2
    depths: Tensor  # [S, C, N] planar depth, world units
    # [S, C, N, 2] half sides of the box outside of which alpha < ALPHA_MIN; no gradient
    radii: Tensor
    # [S, C, N] by what the opacity is multiplied in antialiased mode; None in classic mode
    compensations: Tensor | None


def usable_only(gaussians: Gaussians) -> Gaussians:
    """The same shape, with every Gaussian that has a non-finite or huge number or a zero quaternion
    made transparent.

    `where` stops the gradients of those, so they are exactly zero.
    """
    with torch.no_grad():
        small = (gaussians.packed().abs() <= LARGEST).all(-1)  # false for NaN too
        usable = small & (gaussians.quats.square().sum(-1) > SHORTEST)
        keep = usable[..., None]
        zero = gaussians.means.new_zeros(())
        unit = gaussians.quats.new_tensor([1.0, 0.0, 0.0, 0.0])
    return Gaussians(
        torch.where(keep, gaussians.means, zero),
        torch.where(usable, gaussians.opacities, zero),
        torch.where(keep, gaussians.scales, zero),
        torch.where(keep, gaussians.quats, unit),
        torch.where(keep, gaussians.colors, zero),
    )


def project(
    gaussians: Gaussians, cameras: Cameras, near: float, antialiased: bool = False
) -> Splats:
    """Gaussians [S, N] (see `usable_only`) seen by cameras [S, C].

    The covariance is J R Sigma R^T J^T + BLUR I with J the Jacobian of the pinhole at the mean
    (Zwicker et al. 2002, EWA splatting); where the mean lies more than MARGIN of the image size
    outside the image, J is taken at that border. In antialiased mode the opacity is multiplied by
    sqrt(det(J R Sigma R^T J^T) / det(that + BLUR I)), so that the blur spreads what a Gaussian
    hides and adds nothing to it (Yu et al. 2024, Mip-Splatting, the 2D filter; as gsplat has it).
    """
    W = cameras.width
    H = cameras.height
    K = cameras.K[..., None]  # [S, C, 3, 3, 1]
    fx = K[..., 0, 0, :]
    fy = K[..., 1, 1, :]
    cx = K[..., 0, 2, :]
    cy = K[..., 1, 2, :]  # [S, C, 1]
    R = cameras.world_to_camera[..., :3, :3]
    t = cameras.world_to_camera[..., :3, 3, None]
    points = R @ gaussians.means.mT[:, None] + t  # [S, C, 3, N]
    x, y, z = points.unbind(-2)  # [S, C, N]
    visible = z >= near
    inverse_z = 1 / torch.where(visible, z, 1.0)
    u = x * inverse_z
    v = y * inverse_z
    # [S, N, 3, 3], columns R s
    axes = rotation_matrices(gaussians.quats) * gaussians.scales[..., None, :]
    A = torch.einsum("scij,snjk->scikn", R, axes)  # [S, C, 3, 3, N]
    uc = u.clamp(-cx / fx - MARGIN * W / fx, (W - cx) / fx + MARGIN * W / fx)[:, :, None]
    vc = v.clamp(-cy / fy - MARGIN * H / fy, (H - cy) / fy + MARGIN * H / fy)[:, :, None]
    # [S, C, 3, N], first row of J R axes
    p = (fx * inverse_z)[:, :, None] * (A[:, :, 0] - uc * A[:, :, 2])
    q = (fy * inverse_z)[:, :, None] * (A[:, :, 1] - vc * A[:, :, 2])
    pp = p.square().sum(2)
    pq = (p * q).sum(2)
    qq = q.square().sum(2)
    # det of [[pp + BLUR, pq], [pq, qq + BLUR]] without the cancellation of a needle: pp qq - pq^2 =
    # |p x q|^2
    normal = torch.linalg.cross(p, q, dim=2)
    det = normal.square().sum(2) + BLUR * (pp + qq) + BLUR * BLUR
    visible = visible & (det <= torch.finfo(det.dtype).max)
    inverse_det = 1 / torch.where(visible, det, 1.0)
    conics = torch.stack(
        [(qq + BLUR) * inverse_det, -pq * inverse_det, (pp + BLUR) * inverse_det], -1
    )
    means = torch.stack([fx * u + cx, fy * v + cy], -1)
    opacities = gaussians.opacities[:, None]  # [S, 1 or C, N]
    compensations = None
    if antialiased:
        area = torch.where(visible[:, :, None], normal, 0.0).norm(dim=2)
        compensations = area * inverse_det.sqrt()
        opacities = opacities * compensations
    with torch.no_grad():
        reach = torch.sqrt(2 * torch.log(opacities.clamp(min=ALPHA_MIN) / ALPHA_MIN))[..., None]
        radii = reach * torch.stack([pp + BLUR, qq + BLUR], -1).sqrt() + SLACK
        size = radii.new_tensor([W, H])
        inside = ((means + radii >= 0) & (means - radii <= size)).all(-1)
        drawn = visible & inside & (opacities >= ALPHA_MIN)
        radii = radii * drawn[..., None]
    return Splats(means, conics, z, torch.nan_to_num(radii), compensations)


def tile_hits(
    means: Tensor, radii: Tensor, depths: Tensor, tile: int, columns: int, rows: int
) -> tuple[Tensor, Tensor]:
    """Splats of one view -> ids [hits] sorted by tile, then depth, then index, and hits per tile
    [rows * columns].

    means and radii [N, 2] in pixels, depths [N]; a tile has `tile` x `tile` pixels.
    """
    order = torch.sort(depths, stable=True).indices
    order = order[radii[order, 0] > 0]
    center = means[order]
    radius = radii[order]
    last = center.new_tensor([columns - 1, rows - 1])
    low = torch.minimum(((center - radius) / tile).floor().clamp(min=0), last).long()  # [M, 2]
    high = torch.minimum(((center + radius) / tile).floor().clamp(min=0), last).long()
    wide, tall = (high - low + 1).unbind(-1)
    of = torch.repeat_interleave(wide * tall)  # [hits], index into order
    step = torch.arange(len(of), device=of.device) - F.pad(torch.cumsum(wide * tall, 0), (1, 0))[of]
    index = (low[of, 1] + step // wide[of]) * columns + low[of, 0] + step % wide[of]
    index, by_tile = torch.sort(index, stable=True)
    return order[of[by_tile]], torch.bincount(index, minlength=rows * columns)
