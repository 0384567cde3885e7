"""The backend for CPUs: projection, blending and their gradients as numba kernels, in float32."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hgm.cameras import Cameras
from hgm.core.processes import threads
from hgm.gaussians import Gaussians
from hgm.splat import kernels_blending as blending
from hgm.splat import kernels_projection as projection
from hgm.splat.jit import BLOCK, CAMERA, HIT, PARAMETERS, SPLAT, TALL, WIDE

_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):
    # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_pools.clear)


def rasterize(
    gaussians: Gaussians,
    cameras: Cameras,
    background: Tensor,
    near: float,
    antialiased: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussians [S, N], cameras [S, C], background [3] -> rgb [S, C, 3, H, W], alpha and depth [S,
    C, 1, H, W].

    float32 on a CPU; on one machine the same bits for any HGM_THREADS. No gradient to the
    background.
    """
    g = gaussians
    images = _Rasterize.apply(
        g.means,
        g.quats,
        g.scales,
        g.opacities,
        g.colors,
        cameras.K,
        cameras.world_to_camera,
        (cameras.width, cameras.height),
        background,
        near,
        antialiased,
    )
    rgb, alpha, depth = (x.unflatten(0, cameras.shape) for x in images)
    return rgb, alpha, depth


def _array(x: Tensor) -> np.ndarray:
    return x.detach().to(torch.float32).contiguous().numpy()


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        intrinsics: Tensor,
        world_to_camera: Tensor,
        size: tuple[int, int],
        background: Tensor,
        near: float,
        antialiased: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        S, N = opacities.shape
        C = intrinsics.shape[1]
        width, height = size
        V = S * C  # view v shows scene v // C
        tiles = -(-width // WIDE) * -(-height // TALL)
        K = _array(intrinsics.flatten(0, 1))
        w2c = _array(world_to_camera.flatten(0, 1))
        points, turns, sizes, solid, paint = (
            _array(x) for x in (means, quats, scales, opacities, colors)
        )
        axes = np.empty((S, N, 3, 3), np.float32)
        reach = np.empty((S, N), np.float32)
        splats = np.empty((V, N, SPLAT), np.float32)
        boxes = np.empty((V, N, 4), np.int32)
        first = np.empty((V, N + 1), np.int32)
        start = np.empty((V, tiles + 1), np.int32)
        compensations = np.empty((V, N), np.float32) if antialiased else None
        count = threads()

        def place(s: int) -> None:
            projection.orient(s, points, turns, sizes, solid, paint, axes, reach)

        def project(v: int) -> None:
            projection.project(
                v,
                v // C,
                np.float32(near),
                width,
                height,
                K,
                w2c,
                points,
                axes,
                reach,
                solid,
                paint,
                splats,
                boxes,
                first,
                start,
                compensations,
            )

        run_shared(place, [(s,) for s in range(S)], count)
        run_shared(project, [(v,) for v in range(V)], count)
        offsets = np.zeros(V + 1, np.int64)
        np.cumsum(first[:, N], out=offsets[1:])
        ids = np.empty(offsets[-1], np.int32)
        slots = np.empty(offsets[-1], np.int64)
        back = _array(background)
        images = [means.new_empty((V, c, height, width), dtype=torch.float32) for c in (3, 1, 1)]
        rgb, alpha, depth = (x.numpy() for x in images)

        def sort(v: int) -> None:
            blending.bin_hits(v, offsets[v], width, splats, boxes, first, start, ids, slots)

        def blend(v: int, t0: int, t1: int) -> None:
            blending.blend(
                v, t0, t1, offsets[v], splats, boxes, start, ids, back, rgb, alpha, depth
            )

        run_shared(sort, [(v,) for v in range(V)], count)
        run_shared(blend, _tile_ranges(start, count), count)
        ctx.save_for_backward(means, quats, scales, intrinsics, world_to_camera, *images)
        ctx.fixed = (back, axes, splats, boxes, first, start, offsets, ids, slots, compensations)
        ctx.size = (C, width, height)
        return images[0], images[1], images[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        means, quats, scales, K, w2c, rgb, alpha, depth = (_array(x) for x in ctx.saved_tensors)
        K = K.reshape(-1, 3, 3)
        w2c = w2c.reshape(-1, 4, 4)
        back, axes, splats, boxes, first, start, offsets, ids, slots, compensations = ctx.fixed
        C, width, height = ctx.size
        d_rgb, d_alpha, d_depth = (_array(x) for x in upstream)
        S, N = means.shape[:2]
        hits = np.zeros((offsets[-1], HIT), np.float32)
        grads = np.empty((S, N, PARAMETERS), np.float32)
        blocks = -(-N // BLOCK)
        camera_grads = np.zeros((S * C, blocks, CAMERA)) if any(ctx.needs_input_grad[5:7]) else None
        count = threads()

        def blend(v: int, t0: int, t1: int) -> None:
            blending.blend_backward(
                v,
                t0,
                t1,
                offsets[v],
                splats,
                boxes,
                start,
                ids,
                slots,
                back,
                rgb,
                alpha,
                depth,
                d_rgb,
                d_alpha,
                d_depth,
                hits,
            )

        def collect(s: int, g0: int, g1: int) -> None:
            projection.unproject(
                s,
                C,
                g0,
                g1,
                width,
                height,
                K,
                w2c,
                means,
                quats,
                scales,
                axes,
                splats,
                first,
                offsets,
                hits,
                grads,
                compensations,
                camera_grads,
            )

        run_shared(blend, _tile_ranges(start, count), count)
        # at whole blocks: the sum of a block's camera gradients belongs to one thread
        cuts = [min(N, blocks * i // count * BLOCK) for i in range(count + 1)]
        run_shared(collect, [(s, a, b) for s in range(S) for a, b in pairwise(cuts)], count)
        d_means, d_quats, d_scales, d_opacities, d_colors = torch.from_numpy(grads).split(
            [3, 4, 3, 1, 3], -1
        )
        d_K, d_w2c = _camera_gradients(camera_grads, (S, C))
        return d_means, d_quats, d_scales, d_opacities[..., 0], d_colors, d_K, d_w2c, *(4 * [None])


def _camera_gradients(
    sums: np.ndarray | None, shape: tuple[int, int]
) -> tuple[Tensor | None, Tensor | None]:
    """Sums over blocks of Gaussians [V, blocks, CAMERA] -> gradients of K [*shape, 3, 3] and
    world_to_camera [*shape, 4, 4]."""
    if sums is None:
        return None, None
    total = torch.from_numpy(sums.sum(1)).float().unflatten(0, shape)
    K = total.new_zeros(*shape, 3, 3)
    K[..., 0, 0], K[..., 0, 2], K[..., 1, 1], K[..., 1, 2] = total[..., 12:].unbind(-1)
    w2c = total.new_zeros(*shape, 4, 4)
    w2c[..., :3, :] = total[..., :12].unflatten(-1, (3, 4))
    return K, w2c


def _tile_ranges(start: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """(view, first tile, last tile + 1): whole views when there are enough for the threads, else
    equal numbers of hits."""
    V = start.shape[0]
    tiles = start.shape[1] - 1
    if count <= V or count == 1:
        return [(v, 0, tiles) for v in range(V)]
    ranges = []
    for v in range(V):
        cuts = np.searchsorted(start[v], np.linspace(0, start[v, -1], count + 1)[1:-1]).tolist()
        ranges += [(v, a, b) for a, b in zip([0, *cuts], [*cuts, tiles], strict=True) if b > a]
    return ranges


def run_shared(
    function: Callable[..., None], jobs: Iterable[tuple[object, ...]], count: int
) -> None:
    """Run `function(*job)` for every job on `count` threads, the calling one included; the order is
    not defined."""
    if count == 1:
        for job in jobs:
            function(*job)
        return
    if count not in _pools:
        _pools[count] = ThreadPoolExecutor(count - 1, thread_name_prefix="hgm-splat")
    queue = iter(list(jobs))  # one iterator for all threads: its next() is atomic under the GIL

    def drain() -> None:
        for job in queue:
            function(*job)

    helpers = [_pools[count].submit(drain) for _ in range(count - 1)]
    drain()
    for helper in helpers:
        if not helper.cancel():  # one that never started, on a busy machine, has nothing left to do
            helper.result()
