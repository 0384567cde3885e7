"""Blending as numba kernels: float32, without the GIL, without memory that grows with pixels x
Gaussians.

A picture is cut into tiles whose rows are one vector register wide. Of a tile, a splat touches the
pixels from the first to the last row of its bounding box; they lie one after the other, so the loop
over them is a single branch-free vector loop.

Backward walks the splats front to back once more, from dL/dalpha_i = T_i f_i - behind_i / (1 -
alpha_i): f_i is what splat i would add to the loss at full weight, and behind_i, the sum of w_j f_j
over the splats behind it, is the pixel's total minus what has been passed. So only the image is
kept, T is never divided, and both directions take the same decisions.

A (splat, tile) pair is called a hit. Every kernel works on one view or some of its tiles and writes
to its own part of the output: any number of threads gives the same bits.
"""

from __future__ import annotations

import numpy as np

from hgm.splat.jit import ALPHA_MAX, ALPHA_MIN, T_MIN, TALL, WIDE, compiled, f32, inlined

AREA = WIDE * TALL
CHECK = 31  # a tile looks every 32 hits whether it is finished

# exp(-s) on [0, S_MAX] as p(s / 8)^8 with p of degree 6: 5e-7 relative, and no call that would keep
# the loops scalar.
S_MAX = f32(5.6)  # more than ln 255: beyond it alpha is under ALPHA_MIN
_nodes = (1 + np.cos((np.arange(400) + 0.5) * np.pi / 400)) * float(S_MAX) / 16
E0, E1, E2, E3, E4, E5, E6 = (
    np.polynomial.Polynomial.fit(_nodes, np.exp(-_nodes), 6).convert().coef.astype(f32)
)


@inlined
def exp_neg(s):
    x = min(max(s, f32(0)), S_MAX) * f32(0.125)
    p = E0 + x * (E1 + x * (E2 + x * (E3 + x * (E4 + x * (E5 + x * E6)))))
    p = p * p
    p = p * p
    return p * p


@compiled
def bin_hits(v, offset, width, splats, boxes, first, start, ids, slots):
    """View v: ids and slots [all hits] from `offset` on <- by tile, then depth, then index: the
    splat of each hit, and the hit's place among all hits when those are sorted by splat."""
    columns = (width + WIDE - 1) // WIDE
    N = splats.shape[1]
    order = np.empty(N, np.int32)
    other = np.empty(N, np.int32)
    keys = np.empty(N, np.uint32)
    other_keys = np.empty(N, np.uint32)
    depth = splats[v, :, 9].copy().view(np.uint32)  # positive floats sort like their bits
    n = 0
    for g in range(N):
        if first[v, g + 1] > first[v, g]:
            order[n] = g
            keys[n] = depth[g]
            n += 1
    for shift in (0, 11, 22):  # radix sort, stable
        place = np.zeros(2049, np.int32)
        for i in range(n):
            place[((keys[i] >> np.uint32(shift)) & np.uint32(2047)) + np.uint32(1)] += 1
        for i in range(2048):
            place[i + 1] += place[i]
        for i in range(n):
            digit = (keys[i] >> np.uint32(shift)) & np.uint32(2047)
            at = place[digit]
            place[digit] = at + 1
            other[at] = order[i]
            other_keys[at] = keys[i]
        order, other = other, order
        keys, other_keys = other_keys, keys
    here = start[v].copy()
    for i in range(n):
        g = order[i]
        b = boxes[v, g]
        slot = offset + first[v, g]
        for ty in range(b[2] // TALL, (b[3] - 1) // TALL + 1):
            for tx in range(b[0] // WIDE, (b[1] - 1) // WIDE + 1):
                at = here[ty * columns + tx]
                here[ty * columns + tx] = at + 1
                ids[offset + at] = g
                slots[offset + at] = slot
                slot += 1


@inlined
def finished(tile):
    """True when no pixel of the tile is live."""
    live = 0
    for p in range(AREA):
        live += 1 if tile[0, p] > 0 else 0
    return live == 0


@inlined
def clear(tile):
    """Plane 0 (transmittance) 1, the last two the pixel centers relative to the tile, all others
    0."""
    for p in range(AREA):
        tile[0, p] = 1
        tile[tile.shape[0] - 2, p] = f32(p % WIDE) + f32(0.5)
        tile[tile.shape[0] - 1, p] = f32(p // WIDE) + f32(0.5)
    for c in range(1, tile.shape[0] - 2):
        for p in range(AREA):
            tile[c, p] = 0


@inlined
def rows(box, top):
    """The pixels of a tile from the first to the last row of a bounding box; unsigned, or indexing
    would not vectorize."""
    return np.uint64(max(0, box[2] - top) * WIDE), np.uint64(min(TALL, box[3] - top) * WIDE)


@compiled
def blend(v, t0, t1, offset, splats, boxes, start, ids, background, rgb, alpha, depth):
    """Tiles t0 ... t1 of view v: rgb [V, 3, H, W] over the background, alpha and expected depth [V,
    1, H, W]."""
    height = rgb.shape[2]
    width = rgb.shape[3]
    columns = (width + WIDE - 1) // WIDE
    tile = np.empty((7, AREA), np.float32)  # T (negative: finished), r, g, b, depth, pixel x, y
    for t in range(t0, t1):
        clear(tile)
        left = (t % columns) * WIDE
        top = (t // columns) * TALL
        for k in range(start[v, t], start[v, t + 1]):
            g = ids[offset + k]
            d = splats[v, g]
            A = f32(0.5) * d[2]
            B = d[3]
            C = f32(0.5) * d[4]
            o = d[5]
            f0 = d[6]
            f1 = d[7]
            f2 = d[8]
            f3 = d[9]
            mx = d[0] - f32(left)
            my = d[1] - f32(top)
            low, high = rows(boxes[v, g], top)
            for p in range(low, high):
                dx = mx - tile[5, p]
                dy = my - tile[6, p]
                power = (A * dx + B * dy) * dx + C * dy * dy
                a = min(ALPHA_MAX, o * exp_neg(power))
                a = a if (a >= ALPHA_MIN) & (power < S_MAX) else f32(0)
                now = tile[0, p]
                after = now * (f32(1) - a)
                live = after > T_MIN
                w = a * now if live else f32(0)
                tile[0, p] = after if live else -abs(now)
                tile[1, p] += w * f0
                tile[2, p] += w * f1
                tile[3, p] += w * f2
                tile[4, p] += w * f3
            if (k & CHECK) == CHECK and finished(tile):
                break
        wide = min(WIDE, width - left)
        for y in range(min(TALL, height - top)):
            # in the tile: with two images in the loop, where they lie in memory would decide
            # whether it is done by vectors, whose quotients round in another way
            for x in range(wide):
                p = y * WIDE + x
                covered = f32(1) - abs(tile[0, p])
                tile[4, p] = tile[4, p] / covered if covered > 0 else f32(0)
            for x in range(wide):
                p = y * WIDE + x
                alpha[v, 0, top + y, left + x] = f32(1) - abs(tile[0, p])
                depth[v, 0, top + y, left + x] = tile[4, p]
            for i in range(3):
                for x in range(wide):
                    p = y * WIDE + x
                    rgb[v, i, top + y, left + x] = tile[1 + i, p] + abs(tile[0, p]) * background[i]


@compiled
def blend_backward(
    v,
    t0,
    t1,
    offset,
    splats,
    boxes,
    start,
    ids,
    slots,
    background,
    rgb,
    alpha,
    depth,
    d_rgb,
    d_alpha,
    d_depth,
    hits,
):
    """Tiles t0 ... t1 of view v: hits [all hits, HIT] <- gradients of mean 2, conic 3, opacity,
    color 3, depth."""
    height = rgb.shape[2]
    width = rgb.shape[3]
    columns = (width + WIDE - 1) // WIDE
    # T, behind, gradients of the sums: r, g, b, depth, weight; pixel x, y
    tile = np.empty((9, AREA), np.float32)
    for t in range(t0, t1):
        clear(tile)
        left = (t % columns) * WIDE
        top = (t // columns) * TALL
        wide = min(WIDE, width - left)
        for y in range(min(TALL, height - top)):
            for x in range(wide):
                p = y * WIDE + x
                covered = alpha[v, 0, top + y, left + x]
                per_z = d_depth[v, 0, top + y, left + x] / covered if covered > 0 else f32(0)
                z = depth[v, 0, top + y, left + x] * per_z
                weight = d_alpha[v, 0, top + y, left + x] - z
                tile[5, p] = per_z
                tile[6, p] = weight
                tile[1, p] = covered * (z + weight)
            for c in range(3):
                for x in range(wide):
                    p = y * WIDE + x
                    d = d_rgb[v, c, top + y, left + x]
                    tile[2 + c, p] = d
                    tile[6, p] -= d * background[c]
                    tile[1, p] += d * (rgb[v, c, top + y, left + x] - background[c])
        for k in range(start[v, t], start[v, t + 1]):
            g = ids[offset + k]
            d = splats[v, g]
            A = f32(0.5) * d[2]
            B = d[3]
            C = f32(0.5) * d[4]
            o = d[5]
            f0 = d[6]
            f1 = d[7]
            f2 = d[8]
            f3 = d[9]
            mx = d[0] - f32(left)
            my = d[1] - f32(top)
            e0 = ex = ey = exx = exy = eyy = f32(0)  # sums of e = dL/dpower times powers of dx, dy
            w0 = w1 = w2 = w3 = f32(0)
            low, high = rows(boxes[v, g], top)
            for p in range(low, high):
                dx = mx - tile[7, p]
                dy = my - tile[8, p]
                power = (A * dx + B * dy) * dx + C * dy * dy
                free = o * exp_neg(power)
                a = min(ALPHA_MAX, free)
                a = a if (a >= ALPHA_MIN) & (power < S_MAX) else f32(0)
                now = tile[0, p]
                after = now * (f32(1) - a)
                live = after > T_MIN
                w = a * now if live else f32(0)
                tile[0, p] = after if live else -abs(now)
                v0 = tile[2, p]
                v1 = tile[3, p]
                v2 = tile[4, p]
                v3 = tile[5, p]
                f = f0 * v0 + f1 * v1 + f2 * v2 + f3 * v3 + tile[6, p]
                rest = tile[1, p] - w * f
                tile[1, p] = rest
                e = a * (rest / (f32(1) - a) - now * f)
                e = e if live & (free <= ALPHA_MAX) else f32(0)
                e_dx = e * dx
                e_dy = e * dy
                e0 += e
                ex += e_dx
                ey += e_dy
                exx += e_dx * dx
                exy += e_dx * dy
                eyy += e_dy * dy
                w0 += w * v0
                w1 += w * v1
                w2 += w * v2
                w3 += w * v3
            h = hits[slots[offset + k]]
            h[0] = d[2] * ex + d[3] * ey
            h[1] = d[3] * ex + d[4] * ey
            h[2] = f32(0.5) * exx
            h[3] = exy
            h[4] = f32(0.5) * eyy
            h[5] = -e0 / o
            h[6] = w0
            h[7] = w1
            h[8] = w2
            h[9] = w3
            if (k & CHECK) == CHECK and finished(tile):
                break
