"""Splatting in plain torch: the specification that the compiled backend is tested against, and the
backend where numba cannot be used.

Autograd differentiates the formulas. It runs in float32 or float64 on any device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hgm.cameras import Cameras
from hgm.gaussians import Gaussians
from hgm.splat.constants import ALPHA_MAX, ALPHA_MIN, T_MIN
from hgm.splat.projection import project, tile_hits, usable_only

TILE = 8  # pixels on a side
# (pixel, splat) pairs worked on at once: bounds the memory, and fits the caches of a CPU
BLOCK = {"cpu": 1 << 17}
LARGE_BLOCK = 1 << 22  # on any other device


def rasterize(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Tensor,
    near: float,
    antialiased: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussians [S, N], cameras [S, C], background [3] -> rgb [S, C, 3, H, W], alpha and depth [S,
    C, 1, H, W]."""
    gaussians = usable_only(gaussians)
    splats = project(gaussians, cameras, near, antialiased)
    width = cameras.width
    height = cameras.height
    images = []
    for s in range(cameras.shape[0]):
        for c in range(cameras.shape[1]):
            opacities = gaussians.opacities[s]
            if splats.compensations is not None:
                opacities = opacities * splats.compensations[s, c]
            # [N, 10]
            rows = torch.cat(
                [
                    splats.means[s, c],
                    splats.conics[s, c],
                    opacities[:, None],
                    gaussians.colors[s],
                    splats.depths[s, c, :, None],
                ],
                -1,
            )
            images.append(_view(rows, splats.radii[s, c], width, height))
    flat = torch.stack(images) if images else background.new_zeros(0, 5, height, width)
    summed = flat.reshape(*cameras.shape, 5, height, width)
    rgb, depth, alpha = summed.split([3, 1, 1], 2)
    covered = alpha > 0
    depth = torch.where(covered, depth / torch.where(covered, alpha, 1.0), 0.0)
    return rgb + (1 - alpha) * background[:, None, None], alpha, depth


def _view(rows: Tensor, radii: Tensor, width: int, height: int) -> Tensor:
    """One view: splats [N, 10] and radii [N, 2] -> sums over the splats of w rgb, w z and w, [5, H,
    W]."""
    columns = -(-width // TILE)
    lines = -(-height // TILE)
    with torch.no_grad():
        ids, count = tile_hits(rows[:, :2], radii, rows[:, 9], TILE, columns, lines)
        start = torch.cumsum(count, 0) - count
        tiles = torch.argsort(count, descending=True, stable=True)
        tiles = tiles[: int((count > 0).sum())]
    # has a gradient, of 0, even when empty
    image = rows.new_zeros(lines * columns, TILE * TILE, 5) + rows[:0].sum()
    size = BLOCK.get(rows.device.type, LARGE_BLOCK)
    at = 0
    parts = []
    places = []
    while at < len(tiles):
        longest = int(count[tiles[at]])
        block = tiles[at : at + max(1, size // (longest * TILE * TILE))]
        k = torch.arange(longest, device=rows.device)
        used = k < count[block, None]  # [T, K]
        chosen = ids[torch.where(used, start[block, None] + k, 0)]
        corner = torch.stack([block % columns, block // columns], -1) * TILE
        parts.append(
            checkpoint(_composite, rows[chosen], used, corner.to(rows), use_reentrant=False)
        )
        places.append(block)
        at += len(block)
    if parts:
        image = image.index_copy(0, torch.cat(places), torch.cat(parts))
    image = (
        image.view(lines, columns, TILE, TILE, 5)
        .permute(4, 0, 2, 1, 3)
        .reshape(5, lines * TILE, columns * TILE)
    )
    return image[:, :height, :width]


def _composite(rows: Tensor, used: Tensor, corner: Tensor) -> Tensor:
    """Front-to-back blending of T tiles: splats [T, K, 10] in depth order, corners [T, 2] in pixels
    -> [T, P, 5]."""
    side = torch.arange(TILE, dtype=rows.dtype, device=rows.device) + 0.5
    # [P, 2], x fastest
    pixel = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
    mean, conic, opacity, values = rows.split([2, 3, 1, 4], -1)
    dx, dy = (mean[:, :, None] - corner[:, None, None] - pixel).unbind(-1)  # [T, K, P]
    xx, xy, yy = conic[:, :, None].unbind(-1)
    power = 0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy
    alpha = (opacity * torch.exp(-power)).clamp(max=ALPHA_MAX)
    alpha = alpha * (used[..., None] & (alpha >= ALPHA_MIN))
    after = torch.cumprod(1 - alpha, 1)  # transmittance behind each splat, [T, K, P]
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], 1)
    # it only falls: all splats behind a finished pixel drop out too
    weight = alpha * before * (after > T_MIN)
    return torch.cat([torch.einsum("tkp,tkf->tpf", weight, values), weight.sum(1)[..., None]], -1)
